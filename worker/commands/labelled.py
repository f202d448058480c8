"""Texts labelled under a tenant's policy: rows {text, labels}, for one task or for several."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from model.training.data import ROW_FIELDS, TrainingExample, read_rows, row_text
from model.training.errors import DataError, check_fields, unknown_name
from schemas.policy import Task
from schemas.records import DeadLetterReason
from worker.policies.compiled import label_set_of

OF_THE_POLICY = ("all_labels", "true_labels", "prompt", "examples")


@dataclass(frozen=True, slots=True)
class LabelledText:
    """A text as it is written, and its right labels under each task that the row speaks of."""

    where: str
    text: str
    labels: Mapping[str, tuple[str, ...]]


def read_labelled(
    path: Path,
    tasks: Mapping[str, Task],
    only: str | None,
    *,
    split: str | None = None,
    left_out: Counter[str] | None = None,
) -> list[LabelledText]:
    """The rows of a file or folder. A list of labels belongs to `only`, or to the one task there is.

    `left_out` counts labels that the task does not have; without it such a label is refused. Raises DataError naming
    file, line and field, and where no row labels a task that counts.
    """
    if only is not None and only not in tasks:
        raise DataError(f"--task: {unknown_name('task', only, tasks)}")
    rows = [_labelled(row, where, tasks, only, left_out) for where, row in read_rows(path, split)]
    kept = [row for row in rows if row.labels]
    if not kept:
        raise DataError(f"{path}: holds no row" if not rows else f"{path}: no row has labels of task {only!r}")
    return kept


def training_examples(rows: Iterable[LabelledText], tasks: Mapping[str, Task]) -> list[TrainingExample]:
    """Each row under the label set of each of its tasks, as the model is shown it. Raises DataError without a text."""
    label_sets = {name: label_set_of(task) for name, task in tasks.items()}
    return [
        TrainingExample(
            text=row_text({"text": row.text}, row.where),
            labels=label_sets[name].labels,
            targets=tuple(float(label in chosen) for label in label_sets[name].labels),
            descriptions=label_sets[name].descriptions,
            prompt=label_sets[name].prompt,
            examples=label_sets[name].examples,
            where=row.where,
        )
        for row in rows
        for name, chosen in row.labels.items()
    ]


class Located(Protocol):
    """A text and where it was read."""

    @property
    def where(self) -> str: ...

    @property
    def text(self) -> str: ...


def check_visible(rows: Iterable[Located]) -> None:
    """Refuse texts to fit or measure a model on of which the worker makes dead letters. Raises DataError."""
    from worker.content.codec import has_visible_character

    for row in rows:
        if not has_visible_character(row.text):
            reason = f"{DeadLetterReason.TEXT_EMPTY}: the text has no visible character"
            raise DataError(f"{row.where}: the worker makes a dead letter of this text ({reason}): remove the row")


def tasks_of(rows: Iterable[LabelledText]) -> list[str]:
    """The tasks that the rows label, in the order in which they first do."""
    return list(dict.fromkeys(name for row in rows for name in row.labels))


def answers_of(rows: Iterable[LabelledText], name: str, task: Task) -> NDArray[np.bool_]:
    """What is right [texts, labels] of the rows that are labelled for a task."""
    right = [[label in row.labels[name] for label in task.label_names] for row in rows if name in row.labels]
    return np.array(right, dtype=bool).reshape(len(right), len(task.label_names))


def _labelled(
    row: Mapping[str, Any], where: str, tasks: Mapping[str, Task], only: str | None, left_out: Counter[str] | None
) -> LabelledText:
    check_fields(row, ROW_FIELDS, where)
    for field in OF_THE_POLICY:
        if field in row:
            raise DataError(f"{where}: field {field!r} is the policy's to say; write 'text' and 'labels' alone")
    text, labels = row.get("text"), row.get("labels")
    if not isinstance(text, str):
        raise DataError(f"{where}: field 'text' must be a string")
    if isinstance(labels, list):
        if only is None and len(tasks) > 1:
            raise DataError(f"{where}: the policy has several tasks: write labels: {{task: [...]}}, or use --task")
        labels = {only or next(iter(tasks)): labels}
    if not isinstance(labels, dict):
        raise DataError(f"{where}: field 'labels' must be a list of labels or an object task -> labels")
    known: dict[str, tuple[str, ...]] = {}
    for name, chosen in labels.items():
        if name not in tasks:
            raise DataError(f"{where}: field 'labels': {unknown_name('task', name, tasks)}")
        if only in (None, name):
            known[name] = _chosen(chosen, name, tasks[name], where, left_out)
    return LabelledText(where, text, known)


def _chosen(chosen: object, name: str, task: Task, where: str, left_out: Counter[str] | None) -> tuple[str, ...]:
    if not isinstance(chosen, list) or not all(isinstance(label, str) for label in chosen):
        raise DataError(f"{where}: field 'labels.{name}' must be a list of strings")
    kept = []
    for label in dict.fromkeys(chosen):
        if label in task.label_names:
            kept.append(label)
        elif left_out is None:
            raise DataError(f"{where}: field 'labels.{name}': {unknown_name('label', label, task.label_names)}")
        else:
            left_out[label] += 1
    if task.mode == "single" and len(kept) > 1:
        raise DataError(f"{where}: field 'labels.{name}': mode single has at most one label, got {len(kept)}")
    return tuple(kept)
