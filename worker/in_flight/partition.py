"""One topic partition for the span of one assignment."""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

from worker.in_flight.key_order import KeyOrder
from worker.in_flight.offset_tracker import OffsetTracker
from worker.in_flight.record import Record, bytes_in_memory, waits_since_ms
from worker.in_flight.suspects import Mark, Span, Suspects


class Ordered(Protocol):
    """What a partition needs to know of a result."""

    @property
    def offset(self) -> int: ...

    @property
    def key(self) -> bytes | None: ...

    @property
    def size_bytes(self) -> int:
        """Memory that its record holds while it is in flight."""
        ...


R = TypeVar("R", bound=Ordered)


class Delivered(NamedTuple):
    """When a record was taken into flight (monotonic seconds), and its Kafka timestamp."""

    at: float
    timestamp_ms: int


class Partition(Generic[R]):
    """Everything in flight of one partition *assignment*; a reassignment makes a new object.

    Life: open → closing (nothing new is delivered) → revoked (nothing is published or committed any more).
    Messages hold a reference to it, so what outlives the assignment can neither be published nor committed.
    """

    def __init__(
        self,
        topic: str,
        number: int,
        *,
        epoch: int,
        next_offset: int,
        in_offset_order: bool = False,
        suspects: tuple[Span, ...] = (),
    ) -> None:
        """`in_offset_order`: results leave in the order of delivery, not only per key. `suspects`: what was in flight
        when the last owner died."""
        self.topic = topic
        self.number = number
        self.epoch = epoch
        self.tracker = OffsetTracker(next_offset)
        self.suspects = Suspects(next_offset, suspects)
        self.closing = False
        self.revoked = False
        self.blocked = False
        self.in_flight_bytes = 0
        self.done = 0
        self._delivered: dict[int, Delivered] = {}
        self._in_offset_order = in_offset_order
        self._order: KeyOrder[R] = KeyOrder()
        self._outbox: deque[R] = deque()
        self._outbox_filled = asyncio.Event()
        self._moved = asyncio.Event()
        self._emptied = asyncio.Event()
        self._emptied.set()
        self._abandoned = 0

    def __repr__(self) -> str:
        return f"{self.topic}-{self.number}@{self.epoch}"

    @property
    def in_flight(self) -> int:
        """Records delivered and not yet published."""
        return self.tracker.in_flight

    @property
    def oldest(self) -> Delivered | None:
        """The oldest record in flight."""
        return next(iter(self._delivered.values()), None)

    def mark(self) -> Mark:
        """What a commit of this partition's offset made now has to say of it."""
        return self.suspects.mark(self.tracker.position)

    def deliver(self, record: Record, now: float) -> None:
        """Take a fetched record into flight."""
        self.tracker.deliver(record.offset)
        self._order.deliver(self._order_key(record.key), record.offset)
        self._delivered[record.offset] = Delivered(now, waits_since_ms(record))
        self.in_flight_bytes += bytes_in_memory(record)
        self._emptied.clear()

    @property
    def may_conclude(self) -> bool:
        """Whether results are still taken."""
        return not self.revoked

    def conclude(self, result: R) -> None:
        """Accept a record's result; it is published after the earlier results of its key. Ignored once revoked."""
        if self.revoked:
            return
        self._outbox.extend(self._order.finish(self._order_key(result.key), result.offset, result))
        if self._outbox:
            self._outbox_filled.set()

    def _order_key(self, key: bytes | None) -> bytes | None:
        return b"" if self._in_offset_order else key

    async def next_results(self) -> list[R]:
        """Everything that may be published now, in order; waits until there is something."""
        await self._outbox_filled.wait()
        results = list(self._outbox)
        self._outbox.clear()
        self._outbox_filled.clear()
        return results

    def published(self, results: Sequence[R]) -> None:
        """Let the watermark pass results whose every record is acknowledged."""
        self.done += len(results)
        for result in results:
            self.tracker.complete(result.offset)
            self.in_flight_bytes -= result.size_bytes
            del self._delivered[result.offset]
        self._moved.set()
        self._check_emptied()

    def abandon(self, count: int) -> None:
        """Give up on records that will have no result under this assignment; the next one delivers them again."""
        self._abandoned += count
        self._check_emptied()

    def give_back(self, message: object) -> None:
        """One message will have no result under this assignment."""
        self.abandon(1)

    def _check_emptied(self) -> None:
        if self.tracker.in_flight <= self._abandoned:
            self._emptied.set()

    def begin_closing(self) -> None:
        """Nothing new is delivered from now on."""
        self.closing = True
        self._moved.set()

    async def passes(self, offset: int) -> None:
        """Wait until every delivered record below `offset` is done, or the partition is closing."""
        while not self.closing and self.tracker.watermark < min(offset, self.tracker.position):
            self._moved.clear()
            await self._moved.wait()

    async def drained(self) -> None:
        """Wait until nothing is in flight but what was abandoned."""
        await self._emptied.wait()
