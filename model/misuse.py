"""What callers of the scorer mistake for its arguments, told as what to pass instead."""

from collections.abc import Mapping, Sequence

from model.label_set import LabelSet
from model.prompt import EncodedText, PreparedLabelSet


def require_text(text: object) -> None:
    """Raises TypeError where it is no string."""
    if not isinstance(text, str):
        raise TypeError(f"text is {type(text).__name__}: give one string; several are encoded one by one")


def require_something_to_read(texts: Sequence[str]) -> None:
    """Raises TypeError where they are not strings, ValueError where one is empty."""
    if isinstance(texts, Mapping | bytes) or not isinstance(texts, Sequence):
        raise TypeError(f"texts is {type(texts).__name__}: give a string or a list of strings")
    for index, text in enumerate(texts):
        require_text(text)
        if not text.strip():
            raise ValueError(f"text {index} is empty: there is nothing to classify; leave it out")


def require_label_set(label_set: object) -> None:
    """Raises TypeError where it is not a LabelSet."""
    if not isinstance(label_set, LabelSet):
        raise TypeError(f"label_set is {type(label_set).__name__}: give LabelSet(('billing', 'praise'))")


def require_prepared(prepared: object, digest: str) -> None:
    """Raises TypeError for anything but prepared label sets, ValueError for those of a model with another digest."""
    if isinstance(prepared, PreparedLabelSet):
        raise TypeError("prepared is one prepared label set: give a list of them, [prepared]")
    if isinstance(prepared, str | Mapping) or not isinstance(prepared, Sequence):
        raise TypeError(f"prepared is {type(prepared).__name__}: give a list of what Scorer.prepare returns")
    for item in prepared:
        if not isinstance(item, PreparedLabelSet):
            raise TypeError(f"prepared holds {type(item).__name__}: pass each label set through Scorer.prepare first")
        if item.model_digest and item.model_digest != digest:
            raise ValueError("a label set was prepared by another model: prepare it with the scorer that scores it")


def require_encoded(batch: object) -> None:
    """Raises TypeError for anything but a list of encoded texts."""
    if isinstance(batch, EncodedText):
        raise TypeError("batch is one encoded text: give a list of them, [encoded]")
    if isinstance(batch, str | Mapping) or not isinstance(batch, Sequence):
        raise TypeError(f"batch is {type(batch).__name__}: give a list of what Scorer.encode returns")
    for item in batch:
        if not isinstance(item, EncodedText):
            raise TypeError(f"batch holds {type(item).__name__}: pass each text through Scorer.encode first")
