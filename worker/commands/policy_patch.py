"""Calibrated tasks as the part of a policy file that changes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.scorer import Scorer
from model.training.calibration import CalibrationReport, Goal, Scaling
from model.training.calibration import calibrate as fit_calibration
from model.training.data import TrainingExample
from model.training.datasets import read_json_lines
from model.training.errors import DataError
from model.training.scoring import score_set
from schemas.errors import unknown_name
from schemas.policy import PolicyFile, Task, TenantPolicy
from worker.errors import ConfigurationError
from worker.policies.compiled import label_set_of

DECIMALS = 4


@dataclass(frozen=True, slots=True)
class CalibratedTask:
    """One task's fit and what it was made from.

    Attributes:
        patch: the task's new `calibration` and `thresholds`.
        before: probabilities [texts, labels] as the model gives them.
        unreachable: labels that cannot meet the goal.
    """

    task: str
    report: CalibrationReport
    patch: dict[str, Any]
    before: NDArray[np.floating]
    truth: NDArray[np.bool_]
    unreachable: tuple[str, ...]


def choose_tenant(file: PolicyFile, tenant: str | None, source: str) -> tuple[str | None, TenantPolicy]:
    """The tenant's name and policy; the name is None for the default policy. Raises ConfigurationError."""
    if tenant is None:
        if len(file.tenants) == 1 and file.default is None:
            return next(iter(file.tenants.items()))
        if not file.tenants and file.default is not None:
            return None, file.default
        raise ConfigurationError(source, [f"choose one with --tenant ({', '.join(file.tenants)})"])
    if tenant not in file.tenants:
        raise ConfigurationError(source, [unknown_name("tenant", tenant, file.tenants)])
    return tenant, file.tenants[tenant]


def calibrate_tasks(
    scorer: Scorer, policy: TenantPolicy, labelled: Path, only: str | None, goal: Goal
) -> Iterator[CalibratedTask]:
    """Fit each task that the file labels. Raises DataError naming line and field."""
    if only is not None and only not in policy.tasks:
        raise DataError(f"--task: {unknown_name('task', only, policy.tasks)}")
    rows = read_labelled(labelled, policy.tasks, only)
    if not rows:
        raise DataError(f"{labelled}: holds no row")
    for name, examples in rows.items():
        yield _calibrate_task(scorer, name, policy.tasks[name], examples, goal)


def read_labelled(path: Path, tasks: Mapping[str, Task], only: str | None) -> dict[str, list[TrainingExample]]:
    """Examples by task. A list of labels belongs to `only`, or to the one task there is."""
    examples: dict[str, list[TrainingExample]] = {}
    for line_number, row in read_json_lines(path):
        where = f"{path}:{line_number}"
        text, labels = row.get("text"), row.get("labels")
        if not isinstance(text, str) or not text.strip():
            raise DataError(f"{where}: field 'text' must be a non-empty string")
        if isinstance(labels, list):
            if only is None and len(tasks) > 1:
                raise DataError(f"{where}: the policy has several tasks: write labels: {{task: [...]}}, or use --task")
            labels = {only or next(iter(tasks)): labels}
        if not isinstance(labels, dict):
            raise DataError(f"{where}: field 'labels' must be a list of labels or an object task -> labels")
        for name, chosen in labels.items():
            if name not in tasks:
                raise DataError(f"{where}: labels: {unknown_name('task', name, tasks)}")
            if only in (None, name):
                examples.setdefault(name, []).append(_example(text, chosen, name, tasks[name], where))
    return examples


def _example(text: str, chosen: object, name: str, task: Task, where: str) -> TrainingExample:
    if not isinstance(chosen, list):
        raise DataError(f"{where}: labels.{name} must be a list")
    for label in chosen:
        if label not in task.label_names:
            raise DataError(f"{where}: labels.{name}: {unknown_name('label', str(label), task.label_names)}")
    if task.mode == "single" and len(chosen) > 1:
        raise DataError(f"{where}: labels.{name}: mode single has at most one label, got {len(chosen)}")
    label_set = label_set_of(task)
    return TrainingExample(
        text=text,
        labels=label_set.labels,
        targets=tuple(float(label in chosen) for label in label_set.labels),
        descriptions=label_set.descriptions,
        prompt=label_set.prompt,
        examples=label_set.examples,
    )


def _calibrate_task(
    scorer: Scorer, name: str, task: Task, examples: list[TrainingExample], goal: Goal
) -> CalibratedTask:
    scored = score_set(scorer, examples)
    multi_label = task.mode == "multi"
    try:
        report = fit_calibration(scored.logits, scored.truth, scored.labels, goal, multi_label=multi_label)
    except DataError as error:
        raise DataError(f"task {name}: {error}") from error
    scaling = report.fitted.scaling
    calibration = {"temperature": round(scaling.temperature, DECIMALS)}
    if multi_label:
        calibration["bias"] = round(scaling.bias, DECIMALS)
    patch: dict[str, Any] = {"calibration": calibration}
    if multi_label or goal.kind != "f1":
        thresholds = zip(scored.labels, report.fitted.thresholds, strict=True)
        patch["thresholds"] = {label: round(threshold, DECIMALS) for label, threshold in thresholds}
    return CalibratedTask(
        task=name,
        report=report,
        patch=patch,
        before=Scaling().probabilities(scored.logits, multi_label=multi_label),
        truth=scored.truth,
        unreachable=tuple(scored.labels[index] for index in report.fitted.unreachable),
    )
