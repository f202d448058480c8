"""What a model makes of a label set: labels that it cannot read or tell apart, and what it ignores.

Two labels with equal token ids always get equal scores, and a label of unknown tokens gets a score that has nothing to
do with its name. Neither shows in the scores.
"""

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

import torch
from torch import Tensor

from model.errors import LabelSetError
from model.label_set import LabelSet
from model.tokenizer import PieceTokenizer

ALIKE_COSINE = 0.999
"""Label vectors beyond this give scores that differ by what rounding does."""
ALIKE_SHOWN = 3
"""Pairs that are named; more say no more."""
CHUNK_ROWS = 512


class Remark(NamedTuple):
    """A field of a label set and what the model does not make of it, with what to change."""

    field: str
    message: str


def require_readable(label_set: LabelSet, tokenizer: PieceTokenizer) -> None:
    """Refuse labels that mean nothing to the tokenizer that reads them, or the same.

    Raises:
        LabelSetError: naming the labels and what to change.
    """
    first_with: dict[bytes, int] = {}
    for index, shown in enumerate(label_set.shown_labels):
        reading = tokenizer.reading(shown)
        if not reading.known:
            raise LabelSetError(
                f"labels[{index}]: the model cannot read {_quoted(shown)}: its tokenizer knows nothing of it; give the "
                "label a name in words, or a description"
            )
        other = first_with.setdefault(reading.token_ids.tobytes(), index)
        if other != index:
            raise LabelSetError(
                f"labels[{other}] and labels[{index}]: the model cannot tell {_quoted(label_set.shown_labels[other])} "
                f"from {_quoted(shown)}: its tokenizer reads both alike, so their scores are always equal; rename one, "
                "or describe both"
            )


def remarks_on(
    label_set: LabelSet, *, label_tokenizer: PieceTokenizer, tokenizer: PieceTokenizer, reads_examples: bool
) -> Iterator[Remark]:
    """What is read in part or not at all. `label_tokenizer` reads the labels, `tokenizer` everything else."""
    for index, shown in enumerate(label_set.shown_labels):
        reading = label_tokenizer.reading(shown)
        if reading.unknown:
            yield Remark(
                f"labels[{index}]",
                f"the model reads {_quoted(shown)} in part only: {reading.unknown} of {len(reading.token_ids)} tokens "
                "are unknown to its tokenizer; leave out the signs that it does not know",
            )
    if label_set.prompt.strip() and not tokenizer.reading(label_set.prompt).known:
        yield Remark("prompt", "the model cannot read it: its tokenizer knows nothing of it; use words, or remove it")
    if label_set.examples and not reads_examples:
        yield Remark(
            "examples",
            "have no effect: this model (bi-encoder) reads labels and texts apart and has no place for examples; "
            "remove them, or put what they show into the labels' descriptions",
        )
        return
    for number, example in enumerate(label_set.examples):
        if not tokenizer.reading(example.text).known:
            yield Remark(
                f"examples[{number}].text", "the model cannot read it: its tokenizer knows nothing of it; remove it"
            )


def remarks_on_vectors(label_set: LabelSet, vectors: Tensor) -> Iterator[Remark]:
    """Labels whose vectors [labels, E] point the same way."""
    for first, second, cosine in islice(_alike(vectors), ALIKE_SHOWN):
        yield Remark(
            f"labels[{first}] and labels[{second}]",
            f"the model hardly tells {_quoted(label_set.labels[first])} from {_quoted(label_set.labels[second])}: "
            f"their vectors have a cosine of {cosine:.4f}; rename one, or describe both",
        )


def _alike(vectors: Tensor) -> Iterator[tuple[int, int, float]]:
    units = torch.nn.functional.normalize(vectors.float(), dim=-1)
    for start in range(0, len(units), CHUNK_ROWS):
        cosines = (units[start : start + CHUNK_ROWS] @ units.T).triu(diagonal=start + 1)
        for row, column in (cosines > ALIKE_COSINE).nonzero().tolist():
            yield start + row, column, float(cosines[row, column])


def _quoted(label: str) -> str:
    # What looks like nothing, or like its neighbour, must show: ascii() spells out what is not printable.
    shown = label if len(label) <= 60 else f"{label[:60]}…"
    return repr(shown) if shown.isprintable() and shown.isascii() else f"{shown!r} ({shown!a})"
