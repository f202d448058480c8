"""What people say about a classification, and what of it is known to be true or false."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from model.training.data import IGNORED, TrainingExample, label_names, row_prompt, row_text
from model.training.datasets import read_json_lines
from model.training.errors import DataError, check_fields, unknown_name

FEEDBACK_FIELDS = ("text", "labels", "accepted", "rejected", "corrected", "candidates", "prompt")


@dataclass(frozen=True, slots=True)
class Feedback:
    """One person's answer to one classified text.

    Attributes:
        labels: the labels the text was scored under.
        accepted: labels that were confirmed.
        rejected: labels that were refused.
        corrected: the full right answer, possibly empty; None where nobody gave one.
        candidates: labels of which exactly one is right, without saying which; empty for no such statement.
        where: file and line it was read from, or empty.
    """

    text: str
    labels: tuple[str, ...]
    accepted: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()
    corrected: tuple[str, ...] | None = None
    candidates: tuple[str, ...] = ()
    prompt: str = ""
    where: str = field(default="", compare=False, repr=False)

    def __post_init__(self) -> None:
        if not self.labels:
            raise DataError("field 'labels' is empty; name the labels the text was scored under")
        if len(set(self.labels)) != len(self.labels):
            raise DataError("field 'labels' names a label twice")
        for name in ("accepted", "rejected", "corrected", "candidates"):
            for label in getattr(self, name) or ():
                if label not in self.labels:
                    raise DataError(f"field {name!r}: {unknown_name('label', label, self.labels)}")
        both = set(self.accepted) & set(self.rejected)
        if both:
            raise DataError(f"{sorted(both)[0]!r} is both in 'accepted' and in 'rejected'")
        if self.corrected is None and not (self.accepted or self.rejected or self.candidates):
            raise DataError("says nothing: give 'accepted', 'rejected', 'corrected' or 'candidates'")

    @property
    def targets(self) -> tuple[float, ...]:
        """1 for true, 0 for false, IGNORED for not known, in label order. A correction overrides the rest."""
        if self.corrected is not None:
            return tuple(float(label in self.corrected) for label in self.labels)
        known = dict.fromkeys(self.labels, IGNORED)
        if self.candidates:
            known.update((label, 0.0) for label in self.labels if label not in self.candidates)
            if len(self.candidates) == 1:
                known[self.candidates[0]] = 1.0
        known.update(dict.fromkeys(self.accepted, 1.0))
        known.update(dict.fromkeys(self.rejected, 0.0))
        return tuple(known[label] for label in self.labels)

    @property
    def example(self) -> TrainingExample:
        """The same as a training example with unknown targets ignored."""
        return TrainingExample(self.text, self.labels, self.targets, prompt=self.prompt, where=self.where)


def read_feedback(path: Path) -> Iterator[Feedback]:
    """Stream a .jsonl or .jsonl.gz file. Raises DataError naming file, line and field."""
    for line_number, row in read_json_lines(path):
        yield parse_feedback(row, f"{path}:{line_number}")


def parse_feedback(row: Mapping[str, Any], where: str) -> Feedback:
    """One row. Raises DataError that begins with `where`."""
    check_fields(row, FEEDBACK_FIELDS, where)
    text = row_text(row, where)
    lists: dict[str, tuple[str, ...]] = {}
    for name in ("labels", "accepted", "rejected", "corrected", "candidates"):
        value = row.get(name)
        if value is None:
            continue
        lists[name] = label_names(value, where, name)
    try:
        return Feedback(
            text=text,
            labels=lists.get("labels", ()),
            accepted=lists.get("accepted", ()),
            rejected=lists.get("rejected", ()),
            corrected=lists.get("corrected"),
            candidates=lists.get("candidates", ()),
            prompt=row_prompt(row, where),
            where=where,
        )
    except DataError as error:
        raise DataError(f"{where}: {error}") from error
