"""`python -m benchmarks.calibration --data DIR`: what 200 labelled rows do for scores and thresholds.

Temperature, bias and thresholds are fitted on train rows of each set and measured on its test rows. `micro-F1` is
compared with the best that any single threshold could reach on the test rows themselves.
"""

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from model.errors import ModelError
from model.scorer import Scorer
from model.training.calibration import Goal, Scaling, decide, fit
from model.training.data import TrainingExample
from model.training.datasets import Dataset, LabelledText, find_datasets, read_dataset, shuffled
from model.training.evaluation import best_micro_f1, expected_calibration_error, micro_f1
from model.training.scoring import ScoredSet, score_set

GOAL_ERROR, GOAL_GAP = 0.05, 0.02


@dataclass(frozen=True, slots=True)
class CalibrationFigures:
    """One set before and after; `best` is the highest micro-F1 of any threshold on the test rows."""

    name: str
    rows: int
    error_before: float
    error_after: float
    micro_f1_before: float
    micro_f1_after: float
    best: float


def main() -> None:
    """Print the table, and write it as JSON with --report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibration", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a folder of sets, or one set")
    parser.add_argument("--labelled", type=int, default=200, help="train rows to fit on")
    parser.add_argument("--rows", type=int, default=300, help="test rows to measure on; 0 for all")
    parser.add_argument("--model", help="checkpoint; default: the starter")
    parser.add_argument("--max-tokens", type=int, default=128)
    parser.add_argument("--report", type=Path, help="write the figures as JSON to this file")
    options = parser.parse_args()
    try:
        figures = run(options.data, options.labelled, options.rows or None, options.model, options.max_tokens)
    except ModelError as error:
        sys.exit(str(error))
    shown = Table("set", "ECE before", "after", "micro-F1 at 0.5", "after", "best possible")
    for one in figures:
        values = (one.error_before, one.error_after, one.micro_f1_before, one.micro_f1_after, one.best)
        shown.add_row(one.name, *(f"{value:.3f}" for value in values))
    Console(width=120).print(shown)
    honest = sum(one.error_after <= GOAL_ERROR for one in figures)
    close = sum(one.micro_f1_after >= one.best - GOAL_GAP for one in figures)
    both = sum(one.error_after <= GOAL_ERROR and one.micro_f1_after >= one.best - GOAL_GAP for one in figures)
    print(
        f"of {len(figures)} sets: ECE at most {GOAL_ERROR} in {honest}, micro-F1 within {GOAL_GAP} of the best "
        f"threshold's in {close}, both in {both}"
    )
    if options.report is not None:
        options.report.write_text(json.dumps([asdict(one) for one in figures], indent=2) + "\n", encoding="utf-8")


def run(data: Path, labelled: int, rows: int | None, model: str | None, max_tokens: int) -> list[CalibrationFigures]:
    """Figures of every set under `data` that has train and test rows."""
    if model is None:
        from model.starter import build_starter

        model = str(build_starter())
    scorer = Scorer.load(model, max_tokens=max_tokens)
    datasets = [read_dataset(folder) for folder in find_datasets(data)]
    return [_figures(scorer, one, labelled, rows) for one in datasets if one.train and one.test]


def _figures(scorer: Scorer, dataset: Dataset, labelled: int, rows: int | None) -> CalibrationFigures:
    seen = _scored(scorer, dataset, shuffled(dataset.train, labelled))
    unseen = _scored(scorer, dataset, shuffled(dataset.test, rows))
    fitted = fit(seen.logits, seen.truth, Goal(), multi_label=True)
    before = Scaling().probabilities(unseen.logits, multi_label=True)
    after = fitted.scaling.probabilities(unseen.logits, multi_label=True)
    chosen = decide(after, fitted.thresholds, multi_label=True)
    return CalibrationFigures(
        name=dataset.name,
        rows=len(seen.logits),
        error_before=expected_calibration_error(before, unseen.truth),
        error_after=expected_calibration_error(after, unseen.truth),
        micro_f1_before=micro_f1(np.asarray(before >= 0.5), unseen.truth),
        micro_f1_after=micro_f1(chosen, unseen.truth),
        best=best_micro_f1(after, unseen.truth)[0],
    )


def _scored(scorer: Scorer, dataset: Dataset, rows: list[LabelledText]) -> ScoredSet:
    examples = [
        TrainingExample(row.text, dataset.labels, tuple(float(label in row.labels) for label in dataset.labels))
        for row in rows
    ]
    return score_set(scorer, examples)


if __name__ == "__main__":
    main()
