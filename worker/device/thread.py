"""The one thread that owns the model; a failing batch is bisected to the record that fails."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Generic, ParamSpec, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from worker.errors import DeviceError

if TYPE_CHECKING:
    from model.scorer import EncodedText

P = ParamSpec("P")
R = TypeVar("R")
Item = TypeVar("Item")
Scored = TypeVar("Scored")
TaskLogits = list[NDArray[np.float32]]

# By name, because the stream's room does not import torch.
OUT_OF_MEMORY = "OutOfMemoryError"
BROKEN_DEVICE = "AcceleratorError"
STUCK_RATIO = 10.0
STUCK_SECONDS_LEAST = 30.0
LOOKS = 20


def _begin(begun: "asyncio.Future[None]") -> None:
    if not begun.done():
        begun.set_result(None)


class ScoringModel(Protocol):
    """What the device needs of a model."""

    def score(self, batch: "Sequence[EncodedText]") -> list[TaskLogits]: ...


@dataclass(frozen=True, slots=True)
class Bisected(Generic[Scored]):
    """One entry per item: its score, or the exception that this item alone raised."""

    outcomes: list[Scored | Exception]
    failed_passes: int
    out_of_memory: bool = False


def score_or_bisect(score: Callable[[Sequence[Item]], list[Scored]], items: Sequence[Item]) -> Bisected[Scored]:
    """Score a batch; when it raises, halve it until the failing items stand alone.

    One bad item of n costs about 2·log2(n) extra passes; its neighbours are scored as if it were not there.
    An out-of-memory error is met the same way: the halves fit where the whole did not.

    Raises:
        DeviceError: the accelerator's context is broken: every later pass would fail, and no record is to blame.
    """
    try:
        return Bisected(list(score(items)), 0)
    except Exception as error:  # any exception class: what a model raises on a poison text is not known beforehand
        if _named(error, BROKEN_DEVICE):
            raise DeviceError(f"{type(error).__name__}: {error}") from error
        out_of_memory = isinstance(error, MemoryError) or _named(error, OUT_OF_MEMORY)
        if len(items) == 1:
            return Bisected([error], 1, out_of_memory)
        middle = len(items) // 2
        left = score_or_bisect(score, items[:middle])
        right = score_or_bisect(score, items[middle:])
        return Bisected(
            left.outcomes + right.outcomes,
            1 + left.failed_passes + right.failed_passes,
            out_of_memory or left.out_of_memory or right.out_of_memory,
        )


def _named(error: Exception, name: str) -> bool:
    return any(ancestor.__name__ == name for ancestor in type(error).__mro__)


class Device:
    """Runs everything that touches torch on one thread, so that the event loop never waits for the model."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="device")

    async def run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a function on the device thread, after what is queued there."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: function(*args, **kwargs))

    async def score(
        self, model: ScoringModel, texts: "Sequence[EncodedText]", predicted_seconds: float
    ) -> Bisected[TaskLogits]:
        """Score a batch; failures are per text.

        Raises:
            DeviceError: the device is broken, or takes ten times as long as predicted (and at least half a minute),
                counted from the beginning of the pass.
        """
        patience_seconds = max(STUCK_SECONDS_LEAST, STUCK_RATIO * predicted_seconds)
        what = f"a batch of {len(texts)} texts, for which {predicted_seconds:.2f} s were predicted,"
        return await self._patiently(what, patience_seconds, partial(score_or_bisect, model.score, texts))

    async def prepare(self, function: Callable[[], R]) -> R:
        """Call a function that stands in the way of batches, and so must not take long.

        Raises:
            DeviceError: it does not end within half a minute.
        """
        return await self._patiently("preparing label sets", STUCK_SECONDS_LEAST, function)

    async def _patiently(self, what: str, patience_seconds: float, function: Callable[[], R]) -> R:
        """Seconds count from when it begins: what stands before it on the thread has a patience of its own."""
        loop = asyncio.get_running_loop()
        begun: asyncio.Future[None] = loop.create_future()

        def announced() -> R:
            loop.call_soon_threadsafe(_begin, begun)
            return function()

        running = asyncio.ensure_future(self.run(announced))
        try:
            await asyncio.wait({running, begun}, return_when=asyncio.FIRST_COMPLETED)
            # Looks are counted, not time: a process that was frozen wakes up with a batch that is long overdue.
            for _ in range(LOOKS):
                if (await asyncio.wait({running}, timeout=patience_seconds / LOOKS))[0]:
                    return running.result()
        finally:
            running.cancel()
        raise DeviceError(f"{what} is not done after {patience_seconds:.0f} s")

    def close(self) -> None:
        """Forget what is queued and let the running call end; a call that never ends does not hold the process."""
        self._thread.shutdown(wait=False, cancel_futures=True)
