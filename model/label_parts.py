"""A label set that is larger than the window, as several that fit it, one after the other."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

from model.errors import LabelSetError
from model.label_set import LabelSet

RoomBeside = Callable[[LabelSet], int]
"""Tokens that a label set leaves for a text; raises LabelSetError where those are too few to read one."""


def parts_that_fit(label_set: LabelSet, room_beside: RoomBeside, max_tokens: int) -> list[LabelSet]:
    """As few parts of nearly equal size as leave half of the window for the text.

    Where a prompt or examples take more than that, half of what one label alone leaves has to do.

    Raises:
        LabelSetError: not even one label alone fits.
    """
    count = len(label_set.labels)
    longest = max(range(count), key=lambda index: len(label_set.shown_labels[index]))
    wanted = min(max_tokens, room_beside(_part(label_set, longest, longest + 1))) // 2
    least, most = 0, 1
    while most < count and not _all_fit(in_parts(label_set, most), room_beside, wanted):
        least, most = most, min(2 * most, count)
    while most - least > 1:
        middle = (least + most) // 2
        if _all_fit(in_parts(label_set, middle), room_beside, wanted):
            most = middle
        else:
            least = middle
    return in_parts(label_set, most)


def in_parts(label_set: LabelSet, count: int) -> list[LabelSet]:
    """The labels in `count` parts of nearly equal size, in their order."""
    ends = [round(len(label_set.labels) * number / count) for number in range(count + 1)]
    return [_part(label_set, start, stop) for start, stop in pairwise(ends)]


def _part(label_set: LabelSet, start: int, stop: int) -> LabelSet:
    return replace(
        label_set,
        labels=label_set.labels[start:stop],
        descriptions=label_set.descriptions[start:stop],
        labels_in_parts=False,
    )


def _all_fit(parts: list[LabelSet], room_beside: RoomBeside, wanted: int) -> bool:
    try:
        return all(room_beside(part) >= wanted for part in parts)
    except LabelSetError:
        return False
