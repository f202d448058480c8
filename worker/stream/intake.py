"""Lets delivered records into the stream: as they come, or after a crash in small groups until the cause is found."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from worker.in_flight.partition import Partition
from worker.in_flight.suspects import Try
from worker.kafka.consumer import Record

log = structlog.get_logger(__name__)

FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 0.1, 5.0
MOST_HELD = 500
"""Records of one partition that wait here before it is fetched from no more."""


@dataclass(slots=True, eq=False)
class _Held:
    records: deque[Record] = field(default_factory=deque)
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class Intake:
    """No record is worked on before a mark that speaks of it is written: see `worker.in_flight.suspects`.

    While any partition has suspects, nothing else is in flight in this process: a crash then has one cause.
    """

    def __init__(
        self,
        *,
        admit: Callable[[Partition, list[Record]], Awaitable[None]],
        condemn: Callable[[Partition, Record, Try], None],
        write_mark: Callable[[Partition], Awaitable[bool]],
    ) -> None:
        """`write_mark` commits the partition's watermark with its mark, and says whether that succeeded."""
        self._admit = admit
        self._condemn = condemn
        self._write_mark = write_mark
        self._held: dict[Partition, _Held] = {}
        self._tasks: dict[Partition, asyncio.Task[None]] = {}
        self._suspected: set[Partition] = set()
        self._calm = asyncio.Event()
        self._calm.set()
        self._trial = asyncio.Lock()
        self._on_trial: Partition | None = None

    def open(self, partition: Partition, tasks: asyncio.TaskGroup) -> None:
        """Take records of a partition that is assigned; all of one assignment before the first await."""
        if suspects := partition.attempts.suspects:
            self._suspected.add(partition)
            self._calm.clear()
            log.warning(
                "a worker ended without giving this partition back: what it had in flight is tried with nothing beside",
                partition=repr(partition), offsets_below=suspects[-1].until, crashes=suspects[0].crashes,
            )  # fmt: skip
        held = self._held[partition] = _Held()
        self._tasks[partition] = tasks.create_task(self._run(partition, held), name=f"intake {partition}")

    def close(self, partition: Partition) -> None:
        """Take no more, and give what waits here back to Kafka."""
        if held := self._held.pop(partition, None):
            partition.abandon(len(held.records))
            held.records.clear()
            held.changed.set()
        self._acquit(partition)

    def end(self, partition: Partition) -> None:
        """The partition is given up; nothing of it may be written any more."""
        if task := self._tasks.pop(partition, None):
            task.cancel()

    def holds_back(self, partition: Partition) -> bool:
        """Whether nothing should be fetched of it now: enough waits here, or all of it would."""
        held = self._held.get(partition)
        return self.waits(partition) or (held is not None and len(held.records) >= MOST_HELD)

    def needs(self, partition: Partition) -> bool:
        """Whether it must be fetched from whatever else waits: everything waits for it to be tried."""
        return partition is self._on_trial and not self.holds_back(partition)

    def waits(self, partition: Partition) -> bool:
        """Whether a partition stands still because another one's suspects are being tried."""
        return not self._calm.is_set() and partition is not self._on_trial

    async def take(self, partition: Partition, records: list[Record]) -> None:
        """Let records in that have just been delivered, or hold them until they may be worked on."""
        held = self._held.get(partition)
        if held is None:  # given up since the records were delivered
            partition.abandon(len(records))
            return
        if not records:
            return
        attempts = partition.attempts
        if self._calm.is_set() and not held.records and attempts.allows(records[-1].offset):
            if attempts.due(partition.tracker.position):
                held.changed.set()
            await self._admit(partition, records)
        else:
            held.records.extend(records)
            held.changed.set()

    async def _run(self, partition: Partition, held: _Held) -> None:
        if partition.attempts.suspects:
            async with self._trial:
                self._on_trial = partition
                await self._try_suspects(partition, held)
                self._on_trial = None
        self._acquit(partition)
        await self._calm.wait()
        held.changed.set()
        while not partition.closing:
            await held.changed.wait()
            held.changed.clear()
            if partition.attempts.due(partition.tracker.position):
                await self._write(partition)
            allowed: list[Record] = []
            while held.records and partition.attempts.allows(held.records[0].offset):
                allowed.append(held.records.popleft())
            if held.records:
                held.changed.set()
            if allowed:
                await self._admit(partition, allowed)

    async def _try_suspects(self, partition: Partition, held: _Held) -> None:
        attempts = partition.attempts
        while attempts.suspects and not partition.closing:
            if not held.records:
                held.changed.clear()
                if partition.tracker.position >= attempts.suspects[-1].until:
                    return self._none_left(partition)
                await self._changed_or_moment(held)
                continue
            trial = attempts.next_try([record.offset for record in held.records])
            if trial is None:
                break
            if attempts.due(partition.tracker.position):
                await self._write(partition)
            records: list[Record] = []
            while held.records and held.records[0].offset < trial.until:
                records.append(held.records.popleft())
            if trial.condemned:
                for record in records:
                    self._condemn(partition, record, trial)
            elif records:
                await self._admit(partition, records)
            await partition.passes(trial.until)
            if not partition.closing:
                attempts.survived()
        if not partition.closing:
            log.info("nothing of what was in flight is left to try", partition=repr(partition))
        return None

    def _none_left(self, partition: Partition) -> None:
        """The suspects are gone from the log: compacted, or taken back by their producer."""
        partition.attempts.next_try([partition.tracker.position])

    def _acquit(self, partition: Partition) -> None:
        self._suspected.discard(partition)
        if not self._suspected:
            self._calm.set()

    async def _write(self, partition: Partition) -> None:
        retry_seconds = FIRST_RETRY_SECONDS
        while not partition.closing and not await self._write_mark(partition):
            await asyncio.sleep(retry_seconds)
            retry_seconds = min(2 * retry_seconds, LONGEST_RETRY_SECONDS)

    async def _changed_or_moment(self, held: _Held) -> None:
        """Positions also move over offsets without records, which nobody tells."""
        try:
            async with asyncio.timeout(0.2):
                await held.changed.wait()
        except TimeoutError:
            return
