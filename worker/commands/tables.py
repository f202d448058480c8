"""Figures as tables for a terminal."""

from rich.table import Table

from model.training.bootstrap import Interval
from model.training.calibration import CalibrationReport
from model.training.evaluation import Evaluation
from model.training.scoring import ScoredSet
from worker.telemetry.printable import printable

WEAKEST_SHOWN = 60


def figures_table(figures: Evaluation, scored: ScoredSet, mode: str) -> Table:
    """One set's overall figures."""
    table = Table("figure", "value", title=f"{figures.texts} texts, {len(figures.labels)} labels, mode {mode}")
    table.add_row("macro-F1", f"{figures.macro_f1:.4f}")
    table.add_row("micro-F1", f"{figures.micro_f1:.4f}")
    table.add_row("accuracy", f"{figures.accuracy:.4f}")
    table.add_row("calibration error (ECE)", f"{figures.expected_calibration_error:.4f}")
    table.add_row("texts per second", f"{scored.texts_per_second:.1f}")
    table.add_row("texts cut to the window", str(scored.truncated))
    return table


def label_table(figures: Evaluation) -> Table:
    """Per label, the weakest first where there are many."""
    chosen = figures.labels
    title = None
    if len(chosen) > WEAKEST_SHOWN:
        chosen = tuple(sorted(chosen, key=lambda label: (label.f1, label.label))[:WEAKEST_SHOWN])
        title = f"the {WEAKEST_SHOWN} weakest of {len(figures.labels)} labels"
    table = Table("label", "precision", "recall", "F1", "texts", title=title)
    for label in chosen:
        values = (f"{value:.3f}" for value in (label.precision, label.recall, label.f1))
        table.add_row(printable(label.label), *values, str(label.support))
    return table


def comparison_table(first: Evaluation, second: Evaluation, interval: Interval) -> Table:
    """Two checkpoints on the same texts."""
    table = Table("figure", "first", "second", "second - first")
    for name, field in (("macro-F1", "macro_f1"), ("micro-F1", "micro_f1"), ("accuracy", "accuracy"),
                        ("calibration error", "expected_calibration_error")):  # fmt: skip
        a, b = getattr(first, field), getattr(second, field)
        difference = f"{b - a:+.4f}"
        if field == "macro_f1":
            difference += f" (95% of resamples: {interval.low:+.4f} … {interval.high:+.4f})"
        table.add_row(name, f"{a:.4f}", f"{b:.4f}", difference)
    return table


def calibration_table(task: str, report: CalibrationReport) -> Table:
    """Before, and cross-validated after."""
    table = Table("figure", "as it was", "calibrated (rows the fit did not see)", title=f"task {printable(task)}")
    for name, field in (("calibration error (ECE)", "expected_calibration_error"), ("micro-F1", "micro_f1"),
                        ("macro-F1", "macro_f1"), ("precision", "precision"), ("recall", "recall")):  # fmt: skip
        table.add_row(name, f"{getattr(report.before, field):.4f}", f"{getattr(report.after, field):.4f}")
    return table
