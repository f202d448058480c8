"""Training examples: what is read from files, and how bad rows are refused.

Two forms of a row. The reference's: {text, all_labels, true_labels, prompt?, examples?, split?}, where true_labels is a
list, or {label: degree} with degrees from 0 to 1 and null for "not known". The plain one: {text, labels, prompt?,
examples?, split?}, for which the candidate labels come from the set.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from model.label_set import Example, LabelSet
from model.training.datasets import read_json_lines
from model.training.errors import DataError, check_fields, unknown_name

IGNORED = -100.0
ROW_FIELDS = ("text", "labels", "all_labels", "true_labels", "prompt", "examples", "split")
EXAMPLE_FIELDS = ("text", "labels", "true_labels")
KNOWLEDGE_FIELDS = ("label", "descriptions", "synonyms")


@dataclass(frozen=True, slots=True)
class TrainingExample:
    """A text, its candidate labels, and how true each is.

    Attributes:
        targets: one per label, from 0 to 1, or IGNORED where the truth is not known.
        descriptions: empty, or one per label (None for none).
        where: file and line it was read from, or empty.
    """

    text: str
    labels: tuple[str, ...]
    targets: tuple[float, ...]
    descriptions: tuple[str | None, ...] = ()
    prompt: str = ""
    examples: tuple[Example, ...] = ()
    where: str = field(default="", compare=False, repr=False)

    @property
    def label_set(self) -> LabelSet:
        """What the model is shown."""
        return LabelSet(self.labels, self.descriptions, self.prompt, self.examples)

    @property
    def true_labels(self) -> tuple[str, ...]:
        """Labels whose target is at least one half."""
        return tuple(label for label, target in zip(self.labels, self.targets, strict=True) if target >= 0.5)


@dataclass(frozen=True, slots=True)
class LabelKnowledge:
    """Other ways to say a label."""

    descriptions: tuple[str, ...] = ()
    synonyms: tuple[str, ...] = ()


def read_examples(
    path: Path, *, labels: Sequence[str] = (), split: str | None = None, left_out: Counter[str] | None = None
) -> Iterator[TrainingExample]:
    """Stream the examples of a .jsonl, .jsonl.gz or .json file, or of a folder with meta.json and data.jsonl.gz.

    Args:
        labels: candidates of plain rows; a folder brings its own.
        split: keep only rows of this split; rows that name no split belong to "train".
        left_out: counts labels of plain rows that are no candidates; without it such a label is refused.

    Raises:
        DataError: naming file, line and field.
    """
    path = path.expanduser()
    if path.is_dir():
        labels = labels or _labels_of_folder(path)
    for where, row in read_rows(path, split):
        yield parse_example(row, where, tuple(labels), left_out)


def read_rows(path: Path, split: str | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Stream (`file:line`, row) of what `read_examples` reads, before a row is looked into. Raises DataError."""
    if path.is_dir():
        folder = path
        path = next((file for name in ("data.jsonl.gz", "data.jsonl") if (file := folder / name).is_file()), folder)
        if path == folder:
            raise DataError(f"{folder}: holds no data.jsonl.gz")
    rows = _read_json_list(path) if path.suffix == ".json" else read_json_lines(path)
    for line_number, row in rows:
        if split is None or row.get("split", "train") == split:
            yield f"{path}:{line_number}", row


def parse_example(
    row: Mapping[str, Any], where: str, labels: Sequence[str] = (), left_out: Counter[str] | None = None
) -> TrainingExample:
    """One row of either form. Raises DataError that begins with `where` and names the field.

    `left_out` counts labels of a plain row that are no candidates; without it such a label is refused.
    """
    check_fields(row, ROW_FIELDS, where)
    text = row_text(row, where)
    if "all_labels" in row:
        if "labels" in row:
            raise DataError(f"{where}: has both 'all_labels' and 'labels'; with 'all_labels' write 'true_labels'")
        candidates = label_names(row["all_labels"], where, "all_labels")
        truth = row.get("true_labels")
        truth_field = "true_labels"
    elif "true_labels" in row:
        raise DataError(f"{where}: field 'true_labels' needs 'all_labels' beside it; or write 'labels'")
    elif "labels" in row:
        truth, truth_field = row["labels"], "labels"
        if isinstance(truth, Mapping) and any(isinstance(value, list) for value in truth.values()):
            raise DataError(f"{where}: field 'labels' names tasks: say whose with --policy and --tenant")
        if not labels:
            raise DataError(
                f"{where}: the row has no 'all_labels'; name the candidate labels with --labels, or the task that has "
                "them with --policy, --tenant and --task"
            )
        candidates = tuple(labels)
    else:
        raise DataError(f"{where}: needs 'all_labels' and 'true_labels', or 'labels'")
    if not candidates:
        raise DataError(f"{where}: field 'all_labels' is empty; give at least one label")
    if len(set(candidates)) != len(candidates):
        raise DataError(f"{where}: field 'all_labels' names a label twice")
    prompt = row_prompt(row, where)
    if not isinstance(row.get("split", ""), str):
        raise DataError(f"{where}: field 'split' must be a string")
    return TrainingExample(
        text=text,
        labels=candidates,
        targets=_targets(truth, candidates, where, truth_field, left_out if truth_field == "labels" else None),
        prompt=prompt,
        examples=_examples(row.get("examples"), where),
        where=where,
    )


def row_text(row: Mapping[str, Any], where: str) -> str:
    """The text of a row. Raises DataError where there is none to read."""
    text = row.get("text")
    if not isinstance(text, str) or not text.strip():
        raise DataError(f"{where}: field 'text' must be a non-empty string")
    return text


def row_prompt(row: Mapping[str, Any], where: str) -> str:
    """The prompt of a row, empty where it has none. Raises DataError."""
    prompt = row.get("prompt")
    if prompt is not None and not isinstance(prompt, str):
        raise DataError(f"{where}: field 'prompt' must be a string")
    return prompt or ""


def read_label_knowledge(path: Path) -> dict[str, LabelKnowledge]:
    """Read [{label, descriptions?, synonyms?}, …]. Raises DataError naming file, entry and field."""
    knowledge = {}
    for number, entry in _read_json_list(path):
        where = f"{path}:{number}"
        check_fields(entry, KNOWLEDGE_FIELDS, where)
        label = entry.get("label")
        if not isinstance(label, str) or not label:
            raise DataError(f"{where}: field 'label' must be a non-empty string")
        if label in knowledge:
            raise DataError(f"{where}: label {label!r} has an entry already")
        knowledge[label] = LabelKnowledge(
            label_names(entry.get("descriptions") or [], where, "descriptions"),
            label_names(entry.get("synonyms") or [], where, "synonyms"),
        )
    return knowledge


def unused_knowledge(knowledge: Iterable[str], examples: Iterable[TrainingExample]) -> dict[str, str]:
    """Labels of other ways to say a label that no example has, each with what is wrong and the nearest label."""
    labels = dict.fromkeys(label for example in examples for label in example.labels)
    return {label: unknown_name("label", label, labels) for label in knowledge if label not in labels}


def check_trainable(examples: Sequence[TrainingExample]) -> None:
    """Refuse data nothing can be learnt from. Raises DataError: no row, or one answer for everything."""
    if not examples:
        raise DataError("the training data holds no row")
    values = {target >= 0.5 for example in examples for target in example.targets if target != IGNORED}
    if not values:
        raise DataError("no row says whether a label is true; every target is unknown")
    if len(values) == 1:
        answer = "true" if values.pop() else "false"
        raise DataError(f"every label of every row is {answer}; add rows (or candidate labels) with the other answer")


def labels_without_examples(examples: Iterable[TrainingExample]) -> tuple[str, ...]:
    """Candidate labels that are true in no row: nothing teaches what they mean, only what they are not."""
    seen: dict[str, bool] = {}
    for example in examples:
        for label, target in zip(example.labels, example.targets, strict=True):
            seen[label] = seen.get(label, False) or target >= 0.5
    return tuple(label for label, is_true in seen.items() if not is_true)


def _targets(
    truth: object, candidates: Sequence[str], where: str, truth_field: str, left_out: Counter[str] | None
) -> tuple[float, ...]:
    if isinstance(truth, Mapping):
        degrees = dict(truth)
    elif isinstance(truth, list) and all(isinstance(label, str) for label in truth):
        degrees = dict.fromkeys(truth, 1.0)
    else:
        raise DataError(f"{where}: field {truth_field!r} must be a list of labels or an object label -> degree")
    for label in degrees:
        if label not in candidates:
            if left_out is None:
                raise DataError(f"{where}: field {truth_field!r}: {unknown_name('label', label, candidates)}")
            left_out[label] += 1
    targets = []
    for label in candidates:
        degree = degrees.get(label, 0.0)
        if degree is None:
            targets.append(IGNORED)
        elif isinstance(degree, bool) or not isinstance(degree, int | float) or not 0 <= degree <= 1:
            raise DataError(f"{where}: the degree of {label!r} must be a number from 0 to 1, or null for unknown")
        else:
            targets.append(float(degree))
    return tuple(targets)


def _examples(value: object, where: str) -> tuple[Example, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise DataError(f"{where}: field 'examples' must be a list")
    examples = []
    for number, entry in enumerate(value):
        if not isinstance(entry, Mapping) or not isinstance(entry.get("text"), str):
            raise DataError(f"{where}: field 'examples[{number}].text' must be a string")
        check_fields(entry, EXAMPLE_FIELDS, f"{where}: field 'examples[{number}]'")
        if "labels" in entry and "true_labels" in entry:
            raise DataError(f"{where}: field 'examples[{number}]' has both 'labels' and 'true_labels'; write one")
        labels = entry.get("labels", entry.get("true_labels"))
        examples.append(Example(entry["text"], label_names(labels, where, f"examples[{number}].labels")))
    return tuple(examples)


def label_names(value: object, where: str, name: str) -> tuple[str, ...]:
    """The strings of a field. Raises DataError."""
    if not isinstance(value, list) or not all(isinstance(one, str) and one.strip() for one in value):
        raise DataError(f"{where}: field {name!r} must be a list of non-empty strings")
    return tuple(value)


def _labels_of_folder(folder: Path) -> tuple[str, ...]:
    meta_path = folder / "meta.json"
    try:
        meta = json.loads(meta_path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise DataError(f"{meta_path}: missing; it must name the set's labels") from error
    except json.JSONDecodeError as error:
        raise DataError(f"{meta_path}: not JSON: {error}") from error
    return label_names(meta.get("labels") if isinstance(meta, dict) else None, str(meta_path), "labels")


def _read_json_list(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    path = path.expanduser()
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except json.JSONDecodeError as error:
        raise DataError(f"{path}: not JSON: {error}") from error
    if not isinstance(content, list):
        raise DataError(f"{path}: expected a list of objects")
    for number, entry in enumerate(content, start=1):
        if not isinstance(entry, dict):
            raise DataError(f"{path}:{number}: expected an object, got {type(entry).__name__}")
        yield number, entry
