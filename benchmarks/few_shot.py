"""`python -m benchmarks.few_shot --data DIR`: eight examples per label, trained, against none.

Each set's train rows give the examples; its test rows measure macro-F1 of the highest label before and after. The
checkpoint is trained anew for every set and seed, with one setting for all: of the text projection, as `train
--trained projection` does it, or of everything with --trained all.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.learning.examples import choose_shots, examples_of
from benchmarks.report import command_line, write_report
from model.checkpoint import Checkpoint, load_checkpoint
from model.errors import ModelError
from model.starter import checkpoint_or_starter
from model.training.batches import score_examples
from model.training.data import TrainingExample
from model.training.datasets import Dataset, find_datasets, read_dataset, shuffled
from model.training.evaluation import argmax_choice, macro_f1
from model.training.projection import train_projection
from model.training.settings import TrainingSettings
from model.training.supervised import train

MODULE = "benchmarks.few_shot"
SETTINGS = TrainingSettings(
    epochs=12,
    batch_size=16,
    encoder_learning_rate=1.5e-4,
    head_learning_rate=3e-4,
    listwise_weight=1.0,
    kept_share=0.7,
    warm_up_share=0.1,
    evaluate_every=10_000,
    dtype="bfloat16",
)


@dataclass(frozen=True, slots=True)
class FewShotFigures:
    """One set and seed."""

    name: str
    seed: int
    examples: int
    before: float
    after: float
    seconds: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, and write it as JSON with --json; exit status 0."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a folder of sets, or one set")
    parser.add_argument("--shots", type=int, default=8, help="examples per label")
    parser.add_argument("--rows", type=int, default=300, help="test rows of each set; 0 for all")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--sets", nargs="*", help="only these sets")
    parser.add_argument("--trained", choices=("projection", "all"), default="projection", help="what is trained")
    parser.add_argument("--model", help="checkpoint; default: the starter")
    parser.add_argument("--max-tokens", type=int, default=128)
    parser.add_argument("--threads", type=int, help="CPU threads")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    try:
        figures = list(_run(options))
    except ModelError as error:
        sys.exit(str(error))
    if not figures:
        sys.exit(f"{options.data}: no set with train and test rows was chosen")
    shown = Table("set", "seed", "examples", "before", "after", "gain", "seconds")
    for one in figures:
        values = (f"{one.before:.3f}", f"{one.after:.3f}", f"{one.after - one.before:+.3f}", f"{one.seconds:.0f}")
        shown.add_row(one.name, str(one.seed), str(one.examples), *values)
    Console(width=120).print(shown)
    summary = summarise(figures)
    print(f"mean_gain {summary['mean_gain']:.4f}")
    if options.json is not None:
        write_report(options.json, summary, command_line(MODULE, arguments))
    return 0


def summarise(figures: Sequence[FewShotFigures]) -> dict[str, Any]:
    """Means over sets and seeds, and the figures of each."""
    return {
        "mean_before": float(np.mean([one.before for one in figures])),
        "mean_after": float(np.mean([one.after for one in figures])),
        "mean_gain": float(np.mean([one.after - one.before for one in figures])),
        "mean_seconds": float(np.mean([one.seconds for one in figures])),
        "sets": {f"{one.name}-{one.seed}": asdict(one) for one in figures},
    }


def _run(options: argparse.Namespace) -> Iterator[FewShotFigures]:
    model = checkpoint_or_starter(options.model)
    datasets = [read_dataset(folder) for folder in find_datasets(options.data)]
    for dataset in datasets:
        if dataset.train and dataset.test and (not options.sets or dataset.name in options.sets):
            for seed in range(options.seeds):
                figures = few_shot(model, dataset, seed, options)
                print(
                    f"{figures.name} seed {seed}: {figures.before:.3f} -> {figures.after:.3f}, {figures.seconds:.0f} s",
                    flush=True,
                )
                yield figures


def few_shot(model: str, dataset: Dataset, seed: int, options: argparse.Namespace) -> FewShotFigures:
    """Train on `options.shots` rows per label and measure on test rows."""
    chosen = choose_shots(dataset, options.shots, seed)
    test = examples_of(dataset, shuffled(dataset.test, options.rows or None))
    checkpoint = load_checkpoint(model, max_tokens=options.max_tokens)
    before = _macro_f1(test, checkpoint)
    out = Path(tempfile.mkdtemp())
    began_at = time.monotonic()
    try:
        examples = examples_of(dataset, chosen)
        if options.trained == "projection":
            train_projection(checkpoint, examples, out)
        else:
            train(checkpoint, examples, out, SETTINGS)
    finally:
        shutil.rmtree(out, ignore_errors=True)
    seconds = time.monotonic() - began_at
    return FewShotFigures(dataset.name, seed, len(chosen), before, _macro_f1(test, checkpoint), seconds)


def _macro_f1(test: list[TrainingExample], checkpoint: Checkpoint) -> float:
    logits = np.stack([one.numpy() for one in score_examples(checkpoint.model, checkpoint.tokenizers, test)])
    truth = np.array([one.targets for one in test]) >= 0.5
    return macro_f1(argmax_choice(logits), truth)


if __name__ == "__main__":
    sys.exit(main())
