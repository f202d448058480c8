"""Folders of labelled texts: `data.jsonl.gz` with rows {text, labels, split}, and `meta.json` with the label names."""

import gzip
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.training.errors import DataError


@dataclass(frozen=True, slots=True)
class LabelledText:
    """A text and the names of its gold labels; a name outside the set's labels means "none of these"."""

    text: str
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Dataset:
    """One labelled set with its train and test rows, in file order."""

    name: str
    labels: tuple[str, ...]
    multi_label: bool
    train: tuple[LabelledText, ...]
    test: tuple[LabelledText, ...]


def find_datasets(folder: Path) -> list[Path]:
    """The set folders under `folder` (or `folder` itself), by name. Raises DataError when there is none."""
    if (folder / "meta.json").is_file():
        return [folder]
    found = sorted(path.parent for path in folder.glob("*/meta.json"))
    if not found:
        raise DataError(f"{folder}: no set found; expected <name>/meta.json beside <name>/data.jsonl.gz")
    return found


def read_dataset(folder: Path) -> Dataset:
    """Read one set. Raises DataError naming file, line and field."""
    meta_path = folder / "meta.json"
    try:
        meta = json.loads(meta_path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise DataError(f"{meta_path}: missing; it must name the set's labels") from error
    except json.JSONDecodeError as error:
        raise DataError(f"{meta_path}: not JSON: {error}") from error
    labels = meta.get("labels") if isinstance(meta, dict) else None
    if not isinstance(labels, list) or not labels or not all(isinstance(label, str) and label for label in labels):
        raise DataError(f"{meta_path}: field 'labels' must be a list of at least one non-empty string")
    rows: dict[str, list[LabelledText]] = {"train": [], "test": []}
    data_path = folder / "data.jsonl.gz"
    if not data_path.is_file():
        data_path = folder / "data.jsonl"
    for line_number, row in read_json_lines(data_path):
        split = row.get("split", "train")
        if split not in rows:
            raise DataError(f"{data_path}:{line_number}: field 'split' must be 'train' or 'test', got {split!r}")
        rows[split].append(_labelled_text(row, f"{data_path}:{line_number}"))
    return Dataset(
        name=folder.name,
        labels=tuple(labels),
        multi_label=meta.get("task") == "multi-label",
        train=tuple(rows["train"]),
        test=tuple(rows["test"]),
    )


def read_json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Stream (line number from 1, object) of a .jsonl or .jsonl.gz file; blank lines are skipped.

    Raises DataError naming file and line for a missing file, broken JSON, broken gzip or text that is not UTF-8.
    """
    path = path.expanduser()
    opener = gzip.open if path.suffix == ".gz" else open
    line_number = 0
    try:
        with opener(path, "rt", encoding="utf-8-sig") as lines:
            for line_number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise DataError(f"{path}:{line_number}: expected an object, got {type(row).__name__}")
                yield line_number, row
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except json.JSONDecodeError as error:
        raise DataError(f"{path}:{line_number}: not JSON: {error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}:{line_number + 1}: not UTF-8: {error}") from error
    except (gzip.BadGzipFile, EOFError) as error:
        raise DataError(f"{path}: broken gzip after line {line_number}: {error}") from error


def shuffled(rows: tuple[LabelledText, ...], count: int | None, seed: int = 0) -> list[LabelledText]:
    """The first `count` rows after a shuffle with `random.Random(seed)`; all of them for None."""
    order = list(rows)
    random.Random(seed).shuffle(order)
    return order[:count]


def _labelled_text(row: dict[str, Any], where: str) -> LabelledText:
    text, labels = row.get("text"), row.get("labels")
    if not isinstance(text, str):
        raise DataError(f"{where}: field 'text' must be a string")
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise DataError(f"{where}: field 'labels' must be a list of strings")
    return LabelledText(text, tuple(labels))
