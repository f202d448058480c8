"""`python -m benchmarks.feedback --data DIR`: what people's answers alone teach, by PPO.

For each set and seed, train rows are classified by the checkpoint and a simulated person, who knows the gold labels,
answers: to half of the texts "yes" or "no" to the highest label shown, to a quarter the right labels, to a quarter
"one of these three". No gold label reaches training in any other way. Reward (expected agreement with gold of
decisions drawn from the policy, true and false labels counting half each, from -1 to 1) and macro-F1 of the highest
label are measured on test rows before and after; intervals are 95% of the mean over seeds (Student's t).
"""

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
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
from model.training.feedback import Feedback
from model.training.reinforcement import train_from_feedback
from model.training.rewards import Choice, balanced_agreement
from model.training.settings import FeedbackSettings

MODULE = "benchmarks.feedback"
CANDIDATES = 3
T_QUANTILES = {1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78, 5: 2.57, 6: 2.45, 7: 2.36, 8: 2.31, 9: 2.26}
"""97.5% of Student's t by degrees of freedom."""


@dataclass(frozen=True, slots=True)
class FeedbackFigures:
    """One set and seed: held-out reward and macro-F1 before and after."""

    name: str
    seed: int
    answers: int
    reward_before: float
    reward_after: float
    macro_f1_before: float
    macro_f1_after: float
    seconds: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, and write it as JSON with --json; exit status 0."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a folder of sets, or one set")
    parser.add_argument("--sets", nargs="*", help="only these sets")
    parser.add_argument("--answers", type=int, default=16, help="answered texts of each gold label")
    parser.add_argument("--rows", type=int, default=300, help="test rows of each set; 0 for all")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=FeedbackSettings().epochs, help="passes over the answers")
    parser.add_argument("--encoder-lr", type=float, default=FeedbackSettings().encoder_learning_rate)
    parser.add_argument("--model", help="checkpoint; default: the starter")
    parser.add_argument("--max-tokens", type=int, default=128)
    parser.add_argument("--threads", type=int, help="CPU threads")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    try:
        figures = _run(options)
    except ModelError as error:
        sys.exit(str(error))
    if not figures:
        sys.exit(f"{options.data}: no set with train and test rows was chosen")
    summary = summarise(figures)
    Console(width=120).print(_table(summary))
    if options.json is not None:
        write_report(options.json, summary, command_line(MODULE, arguments))
    return 0


def answer(generator: random.Random, text: str, labels: tuple[str, ...], gold: tuple[str, ...], shown: str) -> Feedback:
    """What the simulated person says about a text that was classified as `shown`."""
    kind = generator.random()
    true = [label for label in gold if label in labels]
    if kind < 0.25:
        return Feedback(text, labels, corrected=tuple(true))
    if kind < 0.5 and len(true) == 1 and len(labels) > CANDIDATES:
        others = generator.sample([label for label in labels if label != true[0]], CANDIDATES - 1)
        return Feedback(text, labels, candidates=tuple(generator.sample([true[0], *others], CANDIDATES)))
    return Feedback(text, labels, accepted=(shown,)) if shown in true else Feedback(text, labels, rejected=(shown,))


def measure(checkpoint: Checkpoint, test: Sequence[TrainingExample]) -> tuple[float, float]:
    """Expected balanced agreement of drawn decisions with gold, from -1 to 1, and macro-F1 of the highest label."""
    logits = torch.stack(score_examples(checkpoint.model, checkpoint.tokenizers, test))
    truth = torch.tensor([one.targets for one in test])
    probabilities = logits.sigmoid().flatten()
    # The reward is linear in each decision: of the probabilities it is what decisions drawn from them earn on average.
    expected = Choice(
        actions=probabilities,
        truth=truth.flatten(),
        candidates=torch.zeros_like(probabilities, dtype=torch.bool),
        text_index=torch.arange(len(test)).repeat_interleave(truth.shape[1]),
        texts=len(test),
    )
    return float(balanced_agreement(expected).mean()), macro_f1(argmax_choice(logits.numpy()), truth.numpy() >= 0.5)


def run_once(
    model: str, dataset: Dataset, settings: FeedbackSettings, *, answers: int, rows: int | None, max_tokens: int
) -> FeedbackFigures:
    """Collect answers, train from them, measure."""
    checkpoint = load_checkpoint(model, max_tokens=max_tokens)
    test = examples_of(dataset, shuffled(dataset.test, rows))
    before = measure(checkpoint, test)
    chosen = choose_shots(dataset, answers, settings.seed)
    shown = score_examples(checkpoint.model, checkpoint.tokenizers, examples_of(dataset, chosen))
    generator = random.Random(f"answers-{settings.seed}")
    feedback = [
        answer(generator, row.text, dataset.labels, row.labels, dataset.labels[int(logits.argmax())])
        for row, logits in zip(chosen, shown, strict=True)
    ]
    out = Path(tempfile.mkdtemp())
    began_at = time.monotonic()
    try:
        train_from_feedback(checkpoint, feedback, out, settings)
    finally:
        shutil.rmtree(out, ignore_errors=True)
    seconds = time.monotonic() - began_at
    after = measure(checkpoint, test)
    return FeedbackFigures(
        name=dataset.name,
        seed=settings.seed,
        answers=len(feedback),
        reward_before=before[0],
        reward_after=after[0],
        macro_f1_before=before[1],
        macro_f1_after=after[1],
        seconds=seconds,
    )


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean and the ends of its 95% interval; for two to ten values."""
    mean = float(np.mean(values))
    half = T_QUANTILES[len(values) - 1] * float(np.std(values, ddof=1)) / len(values) ** 0.5
    return mean, mean - half, mean + half


def summarise(figures: Sequence[FeedbackFigures]) -> dict[str, Any]:
    """By set: means before and after, and the gains with their intervals."""
    summary: dict[str, Any] = {}
    for name in dict.fromkeys(one.name for one in figures):
        of_set = [one for one in figures if one.name == name]
        reward = interval([one.reward_after - one.reward_before for one in of_set])
        f1 = interval([one.macro_f1_after - one.macro_f1_before for one in of_set])
        summary[name] = {
            "seeds": len(of_set),
            "answers": float(np.mean([one.answers for one in of_set])),
            "reward_before": float(np.mean([one.reward_before for one in of_set])),
            "reward_gain": reward[0],
            "reward_gain_low": reward[1],
            "reward_gain_high": reward[2],
            "macro_f1_before": float(np.mean([one.macro_f1_before for one in of_set])),
            "macro_f1_gain": f1[0],
            "macro_f1_gain_low": f1[1],
            "macro_f1_gain_high": f1[2],
            "seconds": float(np.mean([one.seconds for one in of_set])),
        }
    return summary


def _run(options: argparse.Namespace) -> list[FeedbackFigures]:
    model = checkpoint_or_starter(options.model)
    figures = []
    for folder in find_datasets(options.data):
        dataset = read_dataset(folder)
        if not dataset.train or not dataset.test or (options.sets and dataset.name not in options.sets):
            continue
        for seed in range(options.seeds):
            settings = FeedbackSettings(epochs=options.epochs, encoder_learning_rate=options.encoder_lr, seed=seed)
            one = run_once(
                model,
                dataset,
                settings,
                answers=options.answers,
                rows=options.rows or None,
                max_tokens=options.max_tokens,
            )
            figures.append(one)
            print(
                f"{one.name} seed {seed}: reward {one.reward_before:.3f} -> {one.reward_after:.3f}, "
                f"macro-F1 {one.macro_f1_before:.3f} -> {one.macro_f1_after:.3f}, {one.seconds:.0f} s",
                flush=True,
            )
    return figures


def _table(summary: dict[str, Any]) -> Table:
    shown = Table("set", "seeds", "answers", "reward before", "gain (95%)", "macro-F1 before", "gain (95%)", "seconds")
    for name, one in summary.items():
        gains = [
            f"{one[f'{key}_gain']:+.3f} ({one[f'{key}_gain_low']:+.3f} to {one[f'{key}_gain_high']:+.3f})"
            for key in ("reward", "macro_f1")
        ]
        shown.add_row(
            name,
            str(one["seeds"]),
            f"{one['answers']:.0f}",
            f"{one['reward_before']:.3f}",
            gains[0],
            f"{one['macro_f1_before']:.3f}",
            gains[1],
            f"{one['seconds']:.0f}",
        )
    return shown


if __name__ == "__main__":
    sys.exit(main())
