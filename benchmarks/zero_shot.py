"""`python -m benchmarks.zero_shot --data DIR`: how well a checkpoint classifies sets it has never seen.

DIR holds folders with meta.json and data.jsonl.gz. Of each set the first rows of its test split after a shuffle with
seed 0 are scored under its own label names. macro-F1 is that of the highest label, over the labels that some scored
text has; micro-F1 and the calibration error (15 bins over all pairs of text and label) are those of the sigmoid.
`mean_macro_f1` is the mean over the sets.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.learning.examples import examples_of
from benchmarks.report import command_line, write_report
from model.errors import ModelError
from model.scorer import Scorer
from model.starter import checkpoint_or_starter
from model.training.datasets import Dataset, find_datasets, read_dataset, shuffled
from model.training.errors import DataError
from model.training.evaluation import (
    argmax_choice,
    best_micro_f1,
    expected_calibration_error,
    macro_f1,
    micro_f1,
    sigmoid,
)
from model.training.scoring import score_set

MODULE = "benchmarks.zero_shot"
MEAN_FIGURES = ("macro_f1", "best_micro_f1", "micro_f1", "expected_calibration_error", "texts_per_second")


@dataclass(frozen=True, slots=True)
class SetFigures:
    """One set's figures; best_micro_f1 is at the best single threshold for the set."""

    name: str
    labels: int
    texts: int
    macro_f1: float
    best_micro_f1: float
    micro_f1: float
    expected_calibration_error: float
    texts_per_second: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, and write it as JSON with --json; exit status 0."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a folder of sets, or one set")
    parser.add_argument("--rows", type=int, default=300, help="test rows of each set; 0 for all")
    parser.add_argument("--model", help="checkpoint; default: the starter")
    parser.add_argument("--max-tokens", type=int, default=128, help="window of a text")
    parser.add_argument("--threads", type=int, help="CPU threads")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args(arguments)
    try:
        figures = run(
            options.data,
            rows=options.rows or None,
            model=options.model,
            max_tokens=options.max_tokens,
            threads=options.threads,
        )
    except ModelError as error:
        sys.exit(str(error))
    Console(width=120).print(table(figures))
    summary = summarise(figures)
    print(f"mean_macro_f1 {summary['mean_macro_f1']:.4f}")
    if options.json is not None:
        write_report(options.json, summary, command_line(MODULE, arguments))
    return 0


def run(data: Path, *, rows: int | None, model: str | None, max_tokens: int, threads: int | None) -> list[SetFigures]:
    """Figures of every set under `data` that has test rows."""
    scorer = Scorer.load(checkpoint_or_starter(model), max_tokens=max_tokens, threads=threads)
    datasets = [dataset for folder in find_datasets(data) if (dataset := read_dataset(folder)).test]
    if not datasets:
        raise DataError(f"{data}: no set has test rows")
    return [figures_of(scorer, dataset, rows) for dataset in datasets]


def figures_of(scorer: Scorer, dataset: Dataset, rows: int | None) -> SetFigures:
    """Score one set and measure."""
    examples = examples_of(dataset, shuffled(dataset.test, rows))
    scored = score_set(scorer, examples)
    probabilities = sigmoid(scored.logits)
    return SetFigures(
        name=dataset.name,
        labels=len(dataset.labels),
        texts=len(examples),
        macro_f1=macro_f1(argmax_choice(scored.logits), scored.truth),
        best_micro_f1=best_micro_f1(probabilities, scored.truth)[0],
        micro_f1=micro_f1(probabilities >= 0.5, scored.truth),
        expected_calibration_error=expected_calibration_error(probabilities, scored.truth),
        texts_per_second=scored.texts_per_second,
    )


def summarise(figures: Sequence[SetFigures]) -> dict[str, Any]:
    """Means over the sets, and every set's own figures by its name."""
    means: dict[str, Any] = {
        f"mean_{name}": float(np.mean([getattr(one, name) for one in figures])) for name in MEAN_FIGURES
    }
    return means | {"sets": {one.name: asdict(one) for one in figures}}


def table(figures: list[SetFigures]) -> Table:
    """One row per set and a last one of means."""
    shown = Table("set", "labels", "texts", "macro-F1", "best micro-F1", "micro-F1 at 0.5", "ECE", "texts/s")
    for one in figures:
        shown.add_row(one.name, str(one.labels), str(one.texts), *_values(one))
    means = [float(np.mean([getattr(one, name) for one in figures])) for name in MEAN_FIGURES]
    shown.add_section()
    shown.add_row("mean", "", "", *(f"{value:.4f}" for value in means[:4]), f"{means[4]:.0f}")
    return shown


def _values(one: SetFigures) -> list[str]:
    values = (one.macro_f1, one.best_micro_f1, one.micro_f1, one.expected_calibration_error)
    return [*(f"{value:.3f}" for value in values), f"{one.texts_per_second:.0f}"]


if __name__ == "__main__":
    sys.exit(main())
