"""Label sets as token ids, and texts bound to them.

Everything here runs on any thread, without torch: label prompts are tokenised once per label set, and a text is
tokenised once per distinct piece of glue around it, whatever the number of its label sets.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from model.errors import LabelSetError
from model.label_set import LabelSet
from model.long_text import Combine, LongText, LongTextMode
from model.tokenizer import EXAMPLE_MARKER, NOTHING, SEPARATOR_MARKER, PieceTokenizer, TokenIds

if TYPE_CHECKING:
    from torch import Tensor

    from model.label_reading import Remark

DEFAULT_LONG_TEXT = LongText()
MIN_TEXT_TOKENS = 8
"""A label set that leaves less than this for the text is refused."""


@dataclass(frozen=True, slots=True)
class TextSlot:
    """The piece that holds the text: what is tokenised together with it, because it touches it."""

    marker: str | None = None
    prefix: str = ""
    suffix: str = ""

    def encode(self, tokenizer: PieceTokenizer, text: str) -> TokenIds:
        return tokenizer.encode(self.prefix + text + self.suffix, marker=self.marker)


@dataclass(frozen=True, slots=True)
class Prompt:
    """A label set, tokenised for one architecture. The text's sequence is: before, text piece, after.

    Attributes:
        label_count: labels of the set.
        key: prompts with equal keys read a text through the same sequence.
        before, after: ids around the text piece.
        slot: how the text piece is made.
        cuts_after: a text that is too long first pushes out `after`, as in the reference; otherwise only the text is
            cut.
        specials: whether the sequence stands between the tokenizer's special tokens.
        labels: sequences of the label side, where labels are read by a tower of their own: one for each label, or
            one for all of them.
    """

    label_count: int
    key: str
    before: TokenIds = field(default_factory=lambda: NOTHING)
    after: TokenIds = field(default_factory=lambda: NOTHING)
    slot: TextSlot = TextSlot()
    cuts_after: bool = False
    specials: bool = True
    labels: tuple[TokenIds, ...] = ()


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class PreparedLabelSet:
    """A label set that this model can score; made by `Scorer.prepare`.

    Attributes:
        label_set: what it was made from.
        key: hash of its content.
        prompt: its token ids.
        vectors: [labels, E] on the model's device where the label side is computed once; else None.
        token_count: tokens that it adds to the sequence of a text.
        model_digest: of the scorer that prepared it; empty where training did.
        remarks: what the model reads of it in part only, or not at all.
        parts: what it is scored as, one after the other, where its labels do not fit one pass; `prompt` is then that of
            the first, and `token_count` that of all.
    """

    label_set: LabelSet
    key: str
    prompt: Prompt
    vectors: "Tensor | None"
    token_count: int
    model_digest: str = ""
    remarks: "tuple[Remark, ...]" = ()
    parts: "tuple[PreparedLabelSet, ...]" = ()

    @property
    def scored_as(self) -> "tuple[PreparedLabelSet, ...]":
        """The parts, or the label set itself where it has none."""
        return self.parts or (self,)


@dataclass(frozen=True, slots=True, eq=False)
class TextPass:
    """One sequence through the text tower and the label sets that are scored from it.

    Attributes:
        token_ids: int64 [L], special tokens included.
        label_sets: scored in this order, each with other content; exactly one where labels and text share a sequence.
    """

    token_ids: TokenIds
    label_sets: tuple[PreparedLabelSet, ...]


def require_room(prompt: Prompt, tokenizer: PieceTokenizer, max_tokens: int) -> int:
    """Tokens that the prompt leaves for a text in a window of `max_tokens`.

    Raises:
        LabelSetError: fewer than MIN_TEXT_TOKENS.
    """
    taken = len(prompt.before) + len(prompt.after) + len(prompt.slot.encode(tokenizer, ""))
    taken += tokenizer.special_count if prompt.specials else 0
    room = max_tokens - taken
    if room < MIN_TEXT_TOKENS:
        raise LabelSetError(
            f"labels, descriptions, prompt and examples take {taken} of the model's {max_tokens} tokens and leave "
            f"{max(room, 0)} for a text (at least {MIN_TEXT_TOKENS} are needed); use fewer or shorter ones, or "
            "set labels_in_parts"
        )
    return room


def examples_piece(label_set: LabelSet, tokenizer: PieceTokenizer) -> TokenIds:
    """Few-shot examples, each behind its marker, and one separator after the last; nothing without examples.

    Raises:
        LabelSetError: the tokenizer lacks the marker.
    """
    if not label_set.examples:
        return NOTHING
    if EXAMPLE_MARKER not in tokenizer.marker_ids:
        raise LabelSetError(
            f"examples: this checkpoint's tokenizer has no {EXAMPLE_MARKER}, so it was trained without examples; "
            "remove them"
        )
    pieces = [
        tokenizer.encode(f"{example.text} \nLabels:\n {', '.join(example.labels)}", marker=EXAMPLE_MARKER)
        for example in label_set.examples
    ]
    return np.concatenate([*pieces, tokenizer.encode("", marker=SEPARATOR_MARKER)])


def fit(
    prompt: Prompt, piece: TokenIds, tokenizer: PieceTokenizer, max_tokens: int, long_text: LongText = DEFAULT_LONG_TEXT
) -> tuple[list[TokenIds], int]:
    """The sequences of a text piece in its prompt, and how many of its tokens none of them holds.

    One sequence, or one for each window of a text beyond `max_tokens`.
    """
    room = max_tokens - len(prompt.before) - (tokenizer.special_count if prompt.specials else 0)
    if prompt.cuts_after and long_text.mode is LongTextMode.TRUNCATE:
        body = np.concatenate([piece, prompt.after])
        return [_finished(prompt, tokenizer, body[:room])], max(0, len(body) - room)
    # The glue in front of and behind the text is repeated in every sequence.
    front = len(tokenizer.encode(prompt.slot.prefix, marker=prompt.slot.marker))
    back = len(tokenizer.encode(prompt.slot.suffix)) if prompt.slot.suffix else 0
    front, text, behind = np.split(piece, [min(front, len(piece) - back), len(piece) - back])
    parts = long_text.parts(len(text), max(1, room - len(front) - len(behind) - len(prompt.after)))
    sequences = [
        _finished(prompt, tokenizer, np.concatenate([front, *(text[kept] for kept in part), behind, prompt.after]))
        for part in parts
    ]
    return sequences, long_text.unread(len(text), parts)


def _finished(prompt: Prompt, tokenizer: PieceTokenizer, body: TokenIds) -> TokenIds:
    sequence = np.concatenate([prompt.before, body])
    return tokenizer.sequence(sequence) if prompt.specials else sequence


@dataclass(frozen=True, slots=True, eq=False)
class EncodedText:
    """A text, tokenised for its label sets; made by `Scorer.encode`.

    Attributes:
        passes: the sequences to run.
        targets: for each label set asked for, or for each part of one, where its scores come from: (pass, place among
            the pass's label sets), several where the text is read in windows.
        combine: how the scores of several windows become one.
        token_count: tokens that the device will run.
        truncated_token_count: tokens of the text (and of what the architecture lets it push out) that no pass holds.
        part_counts: targets of each label set asked for.
    """

    passes: tuple[TextPass, ...]
    targets: tuple[tuple[tuple[int, int], ...], ...]
    combine: Combine
    token_count: int
    truncated_token_count: int
    part_counts: tuple[int, ...] = ()

    def joined(self, logits: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """Logits [labels] of each label set, from those of each target."""
        if len(self.part_counts) == len(logits):
            return list(logits)
        rest = iter(logits)
        return [np.concatenate(list(islice(rest, count))) for count in self.part_counts]


def encode_text(
    text: str,
    prepared: Sequence[PreparedLabelSet],
    tokenizer: PieceTokenizer,
    max_tokens: int,
    long_text: LongText = DEFAULT_LONG_TEXT,
) -> EncodedText:
    """The sequences that score `text` under every prepared label set.

    Label sets with equal prompt keys share sequences. The cut reported is that of the label set that cuts most.
    """
    pieces: dict[TextSlot, TokenIds] = {}
    groups: dict[str, dict[str, PreparedLabelSet]] = {}
    parts = [part for label_set in prepared for part in label_set.scored_as]
    for label_set in parts:
        groups.setdefault(label_set.prompt.key, {}).setdefault(label_set.key, label_set)
    passes: list[TextPass] = []
    places: dict[str, tuple[tuple[int, int], ...]] = {}
    cut_tokens = 0
    for group in groups.values():
        label_sets = tuple(group.values())
        prompt = label_sets[0].prompt
        if prompt.slot not in pieces:
            pieces[prompt.slot] = prompt.slot.encode(tokenizer, text)
        sequences, cut = fit(prompt, pieces[prompt.slot], tokenizer, max_tokens, long_text)
        indices = range(len(passes), len(passes) + len(sequences))
        for place, label_set in enumerate(label_sets):
            places[label_set.key] = tuple((index, place) for index in indices)
        passes += [TextPass(token_ids, label_sets) for token_ids in sequences]
        cut_tokens = max(cut_tokens, cut)
    return EncodedText(
        passes=tuple(passes),
        targets=tuple(places[label_set.key] for label_set in parts),
        combine=long_text.combine,
        token_count=sum(len(text_pass.token_ids) for text_pass in passes),
        truncated_token_count=cut_tokens,
        part_counts=tuple(len(label_set.scored_as) for label_set in prepared),
    )
