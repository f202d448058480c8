"""What to do with a text that does not fit the model's window."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray


class LongTextMode(StrEnum):
    """truncate: keep the beginning. head_tail: keep the beginning and the end. windows: score overlapping parts."""

    TRUNCATE = "truncate"
    HEAD_TAIL = "head_tail"
    WINDOWS = "windows"


class Combine(StrEnum):
    """How a label's logits of several windows become one."""

    MAX = "max"
    MEAN = "mean"


@dataclass(frozen=True, slots=True)
class LongText:
    """How a text beyond the window is read. A text that fits is read alike in every mode.

    Attributes:
        mode: see `LongTextMode`. Only `truncate` is what the reference does; the others always keep the label set
            whole, examples included.
        head_share: share of the room for text that `head_tail` gives to the beginning, between 0 and 1.
        overlap_tokens: tokens that neighbouring windows share; at most half of the room is.
        combine: for each label, over the windows.
        max_windows: windows of one text at most; what lies behind the last one is not read, and counted as truncated.
    """

    mode: LongTextMode = LongTextMode.TRUNCATE
    head_share: float = 0.75
    overlap_tokens: int = 64
    combine: Combine = Combine.MAX
    max_windows: int = 16

    def __post_init__(self) -> None:
        if not 0 <= self.head_share <= 1:
            raise ValueError(f"head_share is {self.head_share}; give a share between 0 and 1")
        if self.overlap_tokens < 0:
            raise ValueError(f"overlap_tokens is {self.overlap_tokens}; give 0 or more")
        if self.max_windows < 1:
            raise ValueError(f"max_windows is {self.max_windows}; give 1 or more")

    def parts(self, token_count: int, room: int) -> list[tuple[slice, ...]]:
        """What to read of a text of `token_count` tokens with room for `room` (at least 1) at a time.

        Each part is one sequence through the model; its slices are read one after the other.
        """
        if token_count <= room:
            return [(slice(0, token_count),)]
        if self.mode is LongTextMode.TRUNCATE:
            return [(slice(0, room),)]
        if self.mode is LongTextMode.HEAD_TAIL:
            head = round(room * self.head_share)
            return [(slice(0, head), slice(token_count - room + head, token_count))]
        step = room - min(self.overlap_tokens, room // 2)
        starts = range(0, token_count - room + step, step)[: self.max_windows]
        # The last window is full too: it begins earlier rather than being short.
        return [(slice(start, start + room),) for start in (min(start, token_count - room) for start in starts)]

    def unread(self, token_count: int, parts: Sequence[tuple[slice, ...]]) -> int:
        """Tokens of the text that no part holds."""
        read = np.zeros(token_count, dtype=bool)
        for part in parts:
            for piece in part:
                read[piece] = True
        return int(token_count - read.sum())


def combine_windows(logits: Sequence[NDArray[np.float32]], combine: Combine) -> NDArray[np.float32]:
    """One array of logits [labels] from those of each window."""
    if len(logits) == 1:
        return logits[0]
    stacked = np.stack(logits)
    return stacked.max(axis=0) if combine is Combine.MAX else stacked.mean(axis=0, dtype=np.float32)
