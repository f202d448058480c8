"""The one thread that owns the model; a failing batch is bisected to the record that fails."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, ParamSpec, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from model.scorer import EncodedText

P = ParamSpec("P")
R = TypeVar("R")
Item = TypeVar("Item")
Scored = TypeVar("Scored")
Logits = list[NDArray[np.float32]]


class Scores(Protocol):
    """What the device needs of a model."""

    def score(self, batch: "Sequence[EncodedText]") -> list[Logits]: ...


@dataclass(frozen=True, slots=True)
class Bisected(Generic[Scored]):
    """One entry per item: its score, or the exception that this item alone raised."""

    outcomes: list[Scored | Exception]
    failed_passes: int


def score_or_bisect(score: Callable[[Sequence[Item]], list[Scored]], items: Sequence[Item]) -> Bisected[Scored]:
    """Score a batch; when it raises, halve it until the failing items stand alone.

    One bad item of n costs about 2·log2(n) extra passes; its neighbours are scored as if it were not there.
    An out-of-memory error is met the same way: the halves fit where the whole did not.
    """
    try:
        return Bisected(list(score(items)), 0)
    except Exception as error:  # any exception class: what a model raises on a poison text is not known beforehand
        if len(items) == 1:
            return Bisected([error], 1)
        middle = len(items) // 2
        left = score_or_bisect(score, items[:middle])
        right = score_or_bisect(score, items[middle:])
        return Bisected(left.outcomes + right.outcomes, 1 + left.failed_passes + right.failed_passes)


class Device:
    """Runs everything that touches torch on one thread, so that the event loop never waits for the model."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="device")

    async def run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a function on the device thread, after what is queued there."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: function(*args, **kwargs))

    async def score(self, model: Scores, texts: "Sequence[EncodedText]") -> Bisected[Logits]:
        """Score a batch; failures are per text."""
        return await self.run(score_or_bisect, model.score, texts)

    def close(self) -> None:
        """Forget what is queued and let the running call end; a call that never ends does not hold the process."""
        self._thread.shutdown(wait=False, cancel_futures=True)
