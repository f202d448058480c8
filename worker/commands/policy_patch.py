"""Calibrated tasks as the part of a policy file that changes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.training.calibration import CalibrationReport, Goal, Scaling, TaskCalibration
from model.training.calibration import calibrate as fit_calibration
from model.training.errors import DataError
from schemas.policy import Task
from worker.commands.labelled import LabelledText, answers_of, tasks_of
from worker.content.text_classifier import Refused, TextClassifier


@dataclass(frozen=True, slots=True)
class CalibratedTask:
    """One task's fit and what it was made from.

    Attributes:
        patch: the task's new `calibration`, and those of its thresholds that change.
        before: probabilities [texts, labels] as the policy gives them now.
        unreachable: labels that cannot meet the goal.
        moved: the patch's thresholds are those of the policy, moved to the new scale.
    """

    task: str
    report: CalibrationReport
    patch: dict[str, Any]
    before: NDArray[np.floating]
    truth: NDArray[np.bool_]
    unreachable: tuple[str, ...]
    moved: bool


def calibrate_tasks(classifier: TextClassifier, rows: Sequence[LabelledText], goal: Goal) -> Iterator[CalibratedTask]:
    """Fit each task that the rows label, on the logits that the worker would decide on.

    Raises DataError for a row of which the worker would make a dead letter, and where a fit is not possible.
    """
    logits = list(_logits(classifier, rows))
    names = [task.name for task in classifier.policy.tasks]
    for name in tasks_of(rows):
        place, task = names.index(name), classifier.policy.policy.tasks[name]
        scored = [texts[place] for row, texts in zip(rows, logits, strict=True) if name in row.labels]
        yield _calibrate_task(name, task, np.array(scored, dtype=float), answers_of(rows, name, task), goal)


def as_it_is(task: Task) -> TaskCalibration:
    """What the policy says of a task now."""
    scaling = Scaling(task.calibration.temperature, task.calibration.bias)
    return TaskCalibration(scaling, tuple(task.threshold_of(label) for label in task.label_names))


def _logits(classifier: TextClassifier, rows: Sequence[LabelledText]) -> Iterator[list[NDArray[np.float32]]]:
    for row, outcome in zip(rows, classifier.classify([row.text for row in rows]), strict=True):
        if isinstance(outcome, Refused):
            what = f"{outcome.reason}: {outcome.error}"
            raise DataError(f"{row.where}: the worker makes a dead letter of this text ({what}): remove the row")
        yield outcome.logits


def _calibrate_task(
    name: str, task: Task, logits: NDArray[np.floating], truth: NDArray[np.bool_], goal: Goal
) -> CalibratedTask:
    multi_label = task.mode == "multi"
    before = as_it_is(task)
    try:
        report = fit_calibration(logits, truth, task.label_names, goal, multi_label=multi_label, before=before)
    except DataError as error:
        raise DataError(f"task {name}: {error}") from error
    moved = not multi_label and goal.kind == "f1"
    return CalibratedTask(
        task=name,
        report=report,
        patch=_patch(task, report.fitted, moved=moved),
        before=before.scaling.probabilities(logits, multi_label=multi_label),
        truth=truth,
        unreachable=tuple(task.label_names[index] for index in report.fitted.unreachable),
        moved=moved and any(before.thresholds),
    )


def _patch(task: Task, fitted: TaskCalibration, *, moved: bool) -> dict[str, Any]:
    """Where thresholds only move, `threshold` and `thresholds` are patched where the policy has them."""
    calibration = {"temperature": fitted.scaling.temperature}
    if task.mode == "multi":
        calibration["bias"] = fitted.scaling.bias
    patch: dict[str, Any] = {"calibration": calibration}
    thresholds = dict(zip(task.label_names, fitted.thresholds, strict=True))
    if not moved:
        return patch | {"thresholds": thresholds}
    shared = {thresholds[label] for label in task.label_names if label not in task.thresholds}
    if task.threshold is not None and shared:
        patch["threshold"] = shared.pop()
    if task.thresholds:
        patch["thresholds"] = {label: thresholds[label] for label in task.thresholds}
    return patch
