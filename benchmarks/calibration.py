"""`python -m benchmarks.calibration --data DIR`: what 200 labelled rows do for scores and thresholds.

Temperature, bias and thresholds are fitted on train rows of each set and measured on its test rows. `micro-F1` is
compared with the best that any single threshold could reach on the test rows themselves.
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
from model.training.calibration import Goal, Scaling, decide, fit_task
from model.training.datasets import Dataset, find_datasets, read_dataset, shuffled
from model.training.errors import DataError
from model.training.evaluation import best_micro_f1, expected_calibration_error, micro_f1
from model.training.scoring import score_set

MODULE = "benchmarks.calibration"
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, and write it as JSON with --json; exit status 0."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a folder of sets, or one set")
    parser.add_argument("--labelled", type=int, default=200, help="train rows to fit on")
    parser.add_argument("--rows", type=int, default=300, help="test rows to measure on; 0 for all")
    parser.add_argument("--model", help="checkpoint; default: the starter")
    parser.add_argument("--max-tokens", type=int, default=128)
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args(arguments)
    try:
        figures = run(
            options.data,
            labelled=options.labelled,
            rows=options.rows or None,
            model=options.model,
            max_tokens=options.max_tokens,
        )
    except ModelError as error:
        sys.exit(str(error))
    shown = Table("set", "ECE before", "after", "micro-F1 at 0.5", "after", "best possible")
    for one in figures:
        values = (one.error_before, one.error_after, one.micro_f1_before, one.micro_f1_after, one.best)
        shown.add_row(one.name, *(f"{value:.3f}" for value in values))
    Console(width=120).print(shown)
    summary = summarise(figures)
    print(
        f"of {len(figures)} sets: ECE at most {GOAL_ERROR} in {summary['sets_with_low_error']}, micro-F1 within "
        f"{GOAL_GAP} of the best threshold's in {summary['sets_near_best']}, both in {summary['sets_with_both']}"
    )
    if options.json is not None:
        write_report(options.json, summary, command_line(MODULE, arguments))
    return 0


def summarise(figures: Sequence[CalibrationFigures]) -> dict[str, Any]:
    """How many sets reach the goals, means over the sets, and every set's own figures by its name."""
    honest = [one.error_after <= GOAL_ERROR for one in figures]
    close = [one.micro_f1_after >= one.best - GOAL_GAP for one in figures]
    return {
        "sets_with_low_error": sum(honest),
        "sets_near_best": sum(close),
        "sets_with_both": sum(a and b for a, b in zip(honest, close, strict=True)),
        "mean_error_before": float(np.mean([one.error_before for one in figures])),
        "mean_error_after": float(np.mean([one.error_after for one in figures])),
        "mean_micro_f1_before": float(np.mean([one.micro_f1_before for one in figures])),
        "mean_micro_f1_after": float(np.mean([one.micro_f1_after for one in figures])),
        "mean_best_micro_f1": float(np.mean([one.best for one in figures])),
        "sets": {one.name: asdict(one) for one in figures},
    }


def run(data: Path, *, labelled: int, rows: int | None, model: str | None, max_tokens: int) -> list[CalibrationFigures]:
    """Figures of every set under `data` that has train and test rows."""
    scorer = Scorer.load(checkpoint_or_starter(model), max_tokens=max_tokens)
    datasets = [one for folder in find_datasets(data) if (one := read_dataset(folder)).train and one.test]
    if not datasets:
        raise DataError(f"{data}: no set has train and test rows")
    return [_figures(scorer, one, labelled, rows) for one in datasets]


def _figures(scorer: Scorer, dataset: Dataset, labelled: int, rows: int | None) -> CalibrationFigures:
    seen = score_set(scorer, examples_of(dataset, shuffled(dataset.train, labelled)))
    unseen = score_set(scorer, examples_of(dataset, shuffled(dataset.test, rows)))
    fitted = fit_task(seen.logits, seen.truth, Goal(), multi_label=True)
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


if __name__ == "__main__":
    sys.exit(main())
