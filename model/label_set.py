"""What the model sees of a classification task: labels, descriptions, prompt, examples."""

import hashlib
import json
from collections import Counter
from dataclasses import dataclass

from model.errors import LabelSetError


@dataclass(frozen=True, slots=True)
class Example:
    """A text with the labels that are right for it, shown to the model beside the text to classify."""

    text: str
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LabelSet:
    """Labels that are scored together against a text.

    Attributes:
        labels: scores come back in this order.
        descriptions: empty, or one per label (None for none); a described label is shown to the model as
            "label: description".
        prompt: put in front of the text as it is. The reference glues both together, so end a prompt with a space or
            a newline. (A bi-encoder adds a space itself.)
        examples: few-shot examples. A bi-encoder cannot read them and ignores them, as the reference does; the
            prepared label set says so.
        labels_in_parts: whether labels that take more than half of the window are scored in several passes of some of
            them each. Where labels see each other (everything but a bi-encoder), a label is then weighed against those
            of its part alone.
    """

    labels: tuple[str, ...]
    descriptions: tuple[str | None, ...] = ()
    prompt: str = ""
    examples: tuple[Example, ...] = ()
    labels_in_parts: bool = False

    @property
    def key(self) -> str:
        """Hash of the content, hex: equal label sets have equal keys in every process."""
        examples = [[example.text, list(example.labels)] for example in self.examples]
        content = [list(self.labels), list(self.descriptions), self.prompt, examples]
        content += ["in parts"] if self.labels_in_parts else []
        return hashlib.sha256(json.dumps(content, default=repr).encode()).hexdigest()[:32]

    @property
    def shown_labels(self) -> tuple[str, ...]:
        """The labels as the model reads them, with their descriptions."""
        if not self.descriptions:
            return self.labels
        pairs = zip(self.labels, self.descriptions, strict=True)
        return tuple(f"{label}: {description}" if description else label for label, description in pairs)


def validate(label_set: LabelSet) -> None:
    """Refuse a label set that no model can score.

    Raises:
        LabelSetError: naming the field and what to change.
    """
    if isinstance(label_set.labels, str):
        raise LabelSetError(f"labels is the string {label_set.labels!r}; give a list of strings")
    if not label_set.labels:
        raise LabelSetError("labels is empty; give at least one label")
    for index, label in enumerate(label_set.labels):
        _require_text(f"labels[{index}]", label)
    duplicates = sorted(label for label, count in Counter(label_set.labels).items() if count > 1)
    if duplicates:
        raise LabelSetError(f"labels holds {duplicates[0]!r} more than once; every label needs its own name")
    if label_set.descriptions and len(label_set.descriptions) != len(label_set.labels):
        raise LabelSetError(
            f"descriptions has {len(label_set.descriptions)} entries for {len(label_set.labels)} labels; give one per "
            "label (None for a label without) or none at all"
        )
    for index, description in enumerate(label_set.descriptions):
        if description is not None and not isinstance(description, str):
            raise LabelSetError(f"descriptions[{index}] is {type(description).__name__}; give a string or None")
    if not isinstance(label_set.prompt, str):
        raise LabelSetError(f"prompt is {type(label_set.prompt).__name__}; give a string")
    for index, example in enumerate(label_set.examples):
        if not isinstance(example.text, str):
            raise LabelSetError(f"examples[{index}].text is {type(example.text).__name__}; give a string")
        if isinstance(example.labels, str):
            raise LabelSetError(f"examples[{index}].labels is the string {example.labels!r}; give a list of strings")
        for number, label in enumerate(example.labels):
            _require_text(f"examples[{index}].labels[{number}]", label)


def _require_text(field: str, value: object) -> None:
    if not isinstance(value, str):
        raise LabelSetError(f"{field} is {type(value).__name__} ({value!r}); give a string")
    if not value.strip():
        raise LabelSetError(f"{field} is empty; give it a name")
