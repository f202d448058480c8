"""Lets delivered records into the stream: as they come, or after a crash in small groups until the cause is found."""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from worker.backoff import Backoff
from worker.in_flight.partition import Partition
from worker.in_flight.record import Record
from worker.in_flight.suspects import Trial

log = structlog.get_logger(__name__)

FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 0.1, 5.0
LONGEST_LOOK_SECONDS = 0.2
MOST_HELD = 500
"""Records of one partition that wait here before it is fetched from no more."""


class Downstream(Protocol):
    """Where records go once they may be worked on."""

    async def admit(self, partition: Partition, records: Sequence[Record]) -> None:
        """Work on records that were delivered: each ends as a result of the partition."""
        ...

    def condemn(self, partition: Partition, record: Record, trial: Trial) -> None:
        """End a record that ended the process again and again as a dead letter."""
        ...

    async def write_mark(self, partition: Partition) -> bool:
        """Commit the partition's watermark with its mark; says whether that succeeded."""
        ...


@dataclass(slots=True, eq=False)
class _Held:
    records: deque[Record] = field(default_factory=deque)
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class Intake:
    """No record is worked on before a mark that speaks of it is written: see `worker.in_flight.suspects`.

    While any partition has suspects, nothing else is in flight in this process: a crash then has one cause.
    """

    def __init__(self, downstream: Downstream) -> None:
        self._downstream = downstream
        self._held: dict[Partition, _Held] = {}
        self._tasks: dict[Partition, asyncio.Task[None]] = {}
        self._suspected: set[Partition] = set()
        self._calm = asyncio.Event()
        self._calm.set()
        self._trying = asyncio.Lock()
        self._on_trial: Partition | None = None

    async def run(self) -> None:
        """Hold a group for the partitions' tasks, for ever; it must have begun before the first `open`."""
        async with asyncio.TaskGroup() as self._group:
            await asyncio.Event().wait()

    def open(self, partition: Partition) -> None:
        """Take records of a partition that is assigned; all of one assignment before the first await."""
        if spans := partition.suspects.spans:
            self._suspected.add(partition)
            self._calm.clear()
            log.warning(
                "a worker ended without giving this partition back: what it had in flight is tried with nothing beside",
                partition=repr(partition), offsets_below=spans[-1].until, crashes=spans[0].crashes,
            )  # fmt: skip
        held = self._held[partition] = _Held()
        self._tasks[partition] = self._group.create_task(self._let_in(partition, held), name=f"intake {partition}")

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

    def wants(self, partition: Partition, *, crowded: bool) -> bool:
        """Whether more of it should be fetched now; `crowded`: enough work of all partitions waits.

        Nothing is wanted of one that stands still or has enough waiting here. The one on trial is wanted even when it
        is crowded: everything waits for it.
        """
        held = self._held.get(partition)
        if self.stands_still(partition) or (held is not None and len(held.records) >= MOST_HELD):
            return False
        return not crowded or partition is self._on_trial

    def stands_still(self, partition: Partition) -> bool:
        """Whether it waits because another one's suspects are being tried."""
        return not self._calm.is_set() and partition is not self._on_trial

    async def take(self, partition: Partition, records: Sequence[Record]) -> None:
        """Let records in that have just been delivered, or hold them until they may be worked on."""
        held = self._held.get(partition)
        if held is None:  # given up since the records were delivered
            partition.abandon(len(records))
            return
        if not records:
            return
        suspects = partition.suspects
        if self._calm.is_set() and not held.records and suspects.allows(records[-1].offset):
            if suspects.due(partition.tracker.position):
                held.changed.set()
            await self._downstream.admit(partition, records)
        else:
            held.records.extend(records)
            held.changed.set()

    async def _let_in(self, partition: Partition, held: _Held) -> None:
        if partition.suspects.spans:
            async with self._trying:
                self._on_trial = partition
                await self._try_suspects(partition, held)
                self._on_trial = None
        self._acquit(partition)
        await self._calm.wait()
        held.changed.set()
        while not partition.closing:
            await held.changed.wait()
            held.changed.clear()
            if partition.suspects.due(partition.tracker.position):
                await self._write(partition)
            allowed: list[Record] = []
            while held.records and partition.suspects.allows(held.records[0].offset):
                allowed.append(held.records.popleft())
            if held.records:
                held.changed.set()
            if allowed:
                await self._downstream.admit(partition, allowed)

    async def _try_suspects(self, partition: Partition, held: _Held) -> None:
        suspects = partition.suspects
        while suspects.spans and not partition.closing:
            if not held.records:
                held.changed.clear()
                if partition.tracker.position >= suspects.spans[-1].until:
                    return self._none_left(partition)
                await self._changed_or_moment(held)
                continue
            trial = suspects.next_trial([record.offset for record in held.records])
            if trial is None:
                break
            if suspects.due(partition.tracker.position):
                await self._write(partition)
            records: list[Record] = []
            while held.records and held.records[0].offset < trial.until:
                records.append(held.records.popleft())
            if trial.condemned:
                for record in records:
                    self._downstream.condemn(partition, record, trial)
            elif records:
                await self._downstream.admit(partition, records)
            await partition.passes(trial.until)
            if not partition.closing:
                suspects.survived()
        if not partition.closing:
            log.info("nothing of what was in flight is left to try", partition=repr(partition))
        return None

    def _none_left(self, partition: Partition) -> None:
        """The suspects are gone from the log: compacted, or taken back by their producer."""
        partition.suspects.next_trial([partition.tracker.position])

    def _acquit(self, partition: Partition) -> None:
        self._suspected.discard(partition)
        if not self._suspected:
            self._calm.set()

    async def _write(self, partition: Partition) -> None:
        backoff = Backoff(FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS)
        while not partition.closing and not await self._downstream.write_mark(partition):
            await backoff.wait()

    async def _changed_or_moment(self, held: _Held) -> None:
        """Positions also move over offsets without records, which nobody tells."""
        try:
            async with asyncio.timeout(LONGEST_LOOK_SECONDS):
                await held.changed.wait()
        except TimeoutError:
            return
