"""Identical texts in a stream are scored once: pure, no I/O."""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

M = TypeVar("M")
S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Known(Generic[S]):
    """The score that an equal message got a moment ago."""

    scored: S


@dataclass(frozen=True, slots=True)
class Waits:
    """An equal message is on its way; its score will be given to this one too."""


@dataclass(frozen=True, slots=True)
class New:
    """No equal message is known: this one must be scored."""


class Duplicates(Generic[M, S]):
    """Remembers the scores of recent messages and who waits for one that is being scored.

    Two messages are equal when their keys are: text, policy version and model. Only scores are remembered, never a
    failure: what failed once may have failed for its neighbours. With a capacity of 0 every message is new.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._recent: OrderedDict[Hashable, S] = OrderedDict()
        self._waiting: dict[Hashable, list[M]] = {}

    def __len__(self) -> int:
        """How many scores are remembered."""
        return len(self._recent)

    def meet(self, key: Hashable, message: M) -> Known[S] | Waits | New:
        """What to do with a message. One that is new must be followed by `scored` or `forget` with the same key."""
        if not self._capacity:
            return New()
        if key in self._recent:
            self._recent.move_to_end(key)
            return Known(self._recent[key])
        if key in self._waiting:
            self._waiting[key].append(message)
            return Waits()
        self._waiting[key] = []
        return New()

    def scored(self, key: Hashable, scored: S) -> list[M]:
        """Remember a score; gives the messages that waited for it."""
        if not self._capacity:
            return []
        self._recent[key] = scored
        self._recent.move_to_end(key)
        if len(self._recent) > self._capacity:
            self._recent.popitem(last=False)
        return self._waiting.pop(key, [])

    def forget(self, key: Hashable) -> list[M]:
        """The message is not going to be scored, or failed; gives those that waited: each must be scored itself."""
        return self._waiting.pop(key, [])
