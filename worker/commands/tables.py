"""Figures as tables for a terminal."""

from collections.abc import Mapping

from rich.table import Table

from model.training.bootstrap import Interval
from model.training.calibration import CalibrationReport
from model.training.evaluation import Evaluation
from worker.telemetry.printable import printable

WEAKEST_SHOWN = 60


def figures_table(figures: Evaluation, title: str, further: Mapping[str, str]) -> Table:
    """One set's overall figures, then what else is to be said of it."""
    labels = len(figures.labels)
    table = Table("figure", "value", title=printable(f"{figures.texts} texts, {labels} labels, {title}"))
    present = labels - figures.absent_labels
    table.add_row(f"macro-F1 (mean over labels that some text has: {present})", f"{figures.macro_f1:.4f}")
    if figures.absent_labels:
        name = f"macro-F1 over all labels (0 for those that no text has: {figures.absent_labels})"
        table.add_row(name, f"{figures.macro_f1_all_labels:.4f}")
    table.add_row("micro-F1", f"{figures.micro_f1:.4f}")
    table.add_row("accuracy", f"{figures.accuracy:.4f}")
    table.add_row("calibration error (ECE)", f"{figures.expected_calibration_error:.4f}")
    for name, value in further.items():
        table.add_row(name, value)
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
    """The task as the policy has it, and cross-validated after."""
    table = Table("figure", "as it was", "calibrated (rows the fit did not see)", title=f"task {printable(task)}")
    for name, field in (("calibration error (ECE)", "expected_calibration_error"), ("micro-F1", "micro_f1"),
                        ("macro-F1 (labels that some text has)", "macro_f1"), ("precision", "precision"),
                        ("recall", "recall")):  # fmt: skip
        table.add_row(name, f"{getattr(report.before, field):.4f}", f"{getattr(report.after, field):.4f}")
    table.add_row("texts for which none is chosen", str(report.before.none), str(report.after.none))
    return table
