"""The consumer group member: fetch, assignment, revocation, commit."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from functools import partial

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import CommitFailedError, KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError

from schemas.kafka_settings import KafkaSettings
from worker.kafka_client import connection_log
from worker.partition import Partition
from worker.publisher import Publisher
from worker.start_offset import Log, next_offset, start_offset
from worker.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

FETCH_WAIT_MS = 100
POSITION_SECONDS = 1.0
FIRST_RECONNECT_SECONDS, LONGEST_RECONNECT_SECONDS = 0.5, 15.0
TRUNCATION_RECHECKS, TRUNCATION_RECHECK_SECONDS = 6, 0.5
Record = ConsumerRecord[bytes | None, bytes | None]


class BrokerRefusalError(Exception):
    """The brokers refuse this client, and no waiting helps."""


class GroupConsumer(ConsumerRebalanceListener):
    """One member of the consumer group; owns the `Partition` objects of the current assignment.

    Only `fetch` asks aiokafka for records, and only `commit` commits, so that neither can race a rebalance.
    """

    def __init__(
        self,
        create_client: Callable[[], AIOKafkaConsumer],
        topics: Collection[str],
        settings: KafkaSettings,
        metrics: Metrics,
        *,
        publisher: Publisher,
        opened: Callable[[Partition], None],
        drain: Callable[[Collection[Partition]], Awaitable[None]],
    ) -> None:
        self._create_client = create_client
        self._client = create_client()
        self._topics = topics
        self._settings = settings
        self._metrics = metrics
        self._publisher = publisher
        self._opened = opened
        self._drain = drain
        self._leaving = False
        self._joined = False
        self._epoch = 0
        self._partitions: dict[TopicPartition, Partition] = {}
        self._paused: set[TopicPartition] = set()
        self._commit_lock = asyncio.Lock()
        self._rebalance_began_at: float | None = None
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def partitions(self) -> Collection[Partition]:
        """The partitions of the current assignment that may be fetched from."""
        return self._partitions.values()

    @property
    def joined(self) -> bool:
        """Whether the last rebalance has ended for this member, with or without partitions."""
        return self._joined

    async def failure(self) -> None:
        """Raise what a rebalance callback raised, should that happen: aiokafka swallows exceptions of its listener."""
        await self._failure

    async def start(self) -> None:
        """Connect and join the group; waits, and says so once, for brokers that are away.

        Raises:
            BrokerRefusalError: the login or the certificate is refused.
        """
        wait_seconds = FIRST_RECONNECT_SECONDS
        while True:
            self._client.subscribe(topics=list(self._topics), listener=self)
            with connection_log() as connections:
                try:
                    return await self._client.start()
                except KafkaError as error:
                    await self.stop(self._settings.request_timeout_seconds)
                    failure = connections.failure
                    if failure is not None and failure.permanent:
                        raise BrokerRefusalError(str(failure)) from error
                    if wait_seconds == FIRST_RECONNECT_SECONDS:
                        log.warning("waiting for the brokers", error=str(failure or error))
            await asyncio.sleep(wait_seconds)
            wait_seconds = min(2 * wait_seconds, LONGEST_RECONNECT_SECONDS)
            self._client = self._create_client()

    async def fetch(self, max_records: int) -> list[tuple[Partition, list[Record]]]:
        """Records that were taken into flight, by partition; waits a moment when there is none.

        Raises:
            KafkaError: not to be survived: every later call would raise it too.
            OffsetLostError: the log no longer has what comes next, and going on is not safe.
        """
        try:
            fetched = await self._client.getmany(timeout_ms=FETCH_WAIT_MS, max_records=max_records)
        except NoOffsetForPartitionError:
            return []  # aiokafka looked for an offset before the assignment has sought one
        except OffsetOutOfRangeError as refused:
            await self._go_on_at(refused.args[0])
            return []
        now = time.monotonic()
        delivered: list[tuple[Partition, list[Record]]] = []
        for topic_partition, records in fetched.items():
            partition = self._partitions.get(topic_partition)
            if partition is None or partition.closing:
                continue  # revoked while the fetch was on its way: the next owner gets them
            fresh = [record for record in records if record.offset >= partition.tracker.position]
            for record in fresh:
                partition.deliver(record, now)
            delivered.append((partition, fresh))
        if not fetched:
            await self._pass_markers()
        return delivered

    def pause(self, held_back: Collection[Partition]) -> None:
        """Fetch from every partition but these. Pausing drops what aiokafka has prefetched of a partition."""
        wanted = {_topic_partition(partition) for partition in held_back} & self._partitions.keys()
        if newly := wanted - self._paused:
            self._client.pause(*newly)
        if over := self._paused - wanted:
            self._client.resume(*over)
        self._paused = wanted

    async def commit(self) -> None:
        """Commit every watermark that moved; a failure is logged and met again at the next commit."""
        if self._publisher.commits_offsets:
            return
        async with self._commit_lock:
            moved = {
                topic_partition: (partition, partition.tracker.uncommitted)
                for topic_partition, partition in self._partitions.items()
                if partition.tracker.uncommitted is not None and not partition.revoked
            }
            await self._commit(list(moved.values()))

    async def _commit(self, moved: list[tuple[Partition, int]]) -> None:
        if not moved:
            return
        offsets = {_topic_partition(partition): offset for partition, offset in moved}
        began_at = time.monotonic()
        try:
            async with asyncio.timeout(self._settings.request_timeout_seconds):
                await self._client.commit(offsets)
        except (KafkaError, TimeoutError) as error:
            # After an eviction this is normal: the new owner gets the records again from the last commit.
            evicted = isinstance(error, CommitFailedError)
            self._metrics.commit_failures.labels(type(error).__name__).inc()
            log.warning("commit failed", evicted=evicted, error=type(error).__name__, partitions=len(offsets))
        else:
            self._metrics.commit_duration_seconds.observe(time.monotonic() - began_at)
            for partition, offset in moved:
                partition.tracker.committed(offset)

    async def on_partitions_revoked(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, revoked: Collection[TopicPartition]
    ) -> None:
        """Drain, commit and forget the partitions; aiokafka waits for this before it rejoins."""
        self._rebalance_began_at = time.monotonic()
        await self._release()

    async def release(self) -> None:
        """Give up every partition for good: later assignments are not taken."""
        self._leaving = True
        await self._release()

    async def _release(self) -> None:
        self._joined = False
        releasing = list(self._partitions.values())
        for partition in releasing:
            partition.closing = True
        try:
            await self._drain(releasing)
            await self.commit()
        finally:
            for partition in releasing:
                partition.revoked = True
                self._metrics.forget_partition(partition.topic, partition.number)
            self._partitions.clear()
            self._paused.clear()
            self._metrics.assigned_partitions.set(0)

    async def on_partitions_assigned(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, assigned: Collection[TopicPartition]
    ) -> None:
        """Give each partition a fresh `Partition` at its committed offset."""
        # Before any await: aiokafka delivers records while this callback still runs.
        self._client.pause(*assigned)
        if self._leaving:
            return
        try:
            async with asyncio.timeout(self._settings.rebalance_timeout_seconds / 2):
                await self._open(assigned)
        except Exception as error:
            if not self._failure.done():
                self._failure.set_exception(error)
            return
        if self._rebalance_began_at is not None:
            self._metrics.rebalance_duration_seconds.observe(time.monotonic() - self._rebalance_began_at)
        self._joined = True
        self._metrics.assigned_partitions.set(len(assigned))
        log.info("partitions assigned", partitions=sorted(f"{tp.topic}-{tp.partition}" for tp in assigned))

    async def _open(self, assigned: Collection[TopicPartition]) -> None:
        if not assigned:
            return
        self._epoch += 1
        # Before the offsets are read: the former owner may still be committing one.
        await asyncio.gather(*(self._publisher.open(tp, partial(self._client.committed, tp)) for tp in assigned))
        committed = await asyncio.gather(*(self._client.committed(tp) for tp in assigned))
        bounds = await self._bounds(dict(zip(assigned, committed, strict=True)))
        for topic_partition, offset in zip(assigned, committed, strict=True):
            start = self._start_offset(topic_partition, offset, *bounds[topic_partition])
            self._client.seek(topic_partition, start)
            partition = Partition(
                topic_partition.topic,
                topic_partition.partition,
                epoch=self._epoch,
                next_offset=start,
                in_offset_order=self._publisher.commits_offsets,
            )
            self._partitions[topic_partition] = partition
            self._opened(partition)
        self._client.resume(*assigned)

    async def _bounds(self, committed: dict[TopicPartition, int | None]) -> dict[TopicPartition, tuple[int, int]]:
        """First and next offset of each log.

        A leader that has just been elected may say an end below what is committed, until its high watermark catches up;
        taking that for a recreated topic would process everything again.
        """
        rechecks = 0
        while True:
            beginnings = await self._client.beginning_offsets(list(committed))
            ends = await self._client.end_offsets(list(committed))
            truncated = any(offset is not None and offset > ends[tp] for tp, offset in committed.items())
            if not truncated or rechecks == TRUNCATION_RECHECKS:
                return {tp: (beginnings[tp], ends[tp]) for tp in committed}
            rechecks += 1
            await asyncio.sleep(TRUNCATION_RECHECK_SECONDS)

    def _start_offset(self, topic_partition: TopicPartition, committed: int | None, beginning: int, end: int) -> int:
        """Where to begin: the committed offset if the log still has it, else what the settings say, and loudly."""
        log_now = Log(_name(topic_partition), beginning, end)
        start = start_offset(log_now, committed, self._settings.auto_offset_reset, self._settings.group_id)
        if committed is not None and start != committed:
            self._skipped(topic_partition, log_now, committed, start)
        return start

    async def _go_on_at(self, refused: dict[TopicPartition, int]) -> None:
        """Find the place to read on where the broker has nothing at the next offset: aiokafka would do it silently."""
        reading = {tp: partition for tp in refused if (partition := self._partitions.get(tp)) is not None}
        bounds = await self._bounds({tp: partition.tracker.position for tp, partition in reading.items()})
        for topic_partition, partition in reading.items():
            position = partition.tracker.position
            log_now = Log(_name(topic_partition), *bounds[topic_partition])
            start = next_offset(log_now, position, self._settings.auto_offset_reset)
            if start != position:
                self._skipped(topic_partition, log_now, position, start)
            if self._partitions.get(topic_partition) is partition:
                partition.tracker.skip_to(start)
                self._client.seek(topic_partition, start)

    def _skipped(self, topic_partition: TopicPartition, log_now: Log, expected: int, start: int) -> None:
        skipped = max(0, start - expected)
        self._metrics.records_skipped.labels(topic_partition.topic).inc(skipped)
        log.error(
            "the next offset is outside the log: the topic was recreated or retention passed it",
            partition=log_now.name, expected=expected, beginning=log_now.beginning, end=log_now.end, start=start,
            skipped_at_most=skipped,
        )  # fmt: skip

    async def _pass_markers(self) -> None:
        """Let the watermark pass transaction markers and compacted offsets behind the last record.

        Safe only here, between two fetches: elsewhere the position may already count records not yet delivered.
        """
        for topic_partition, partition in list(self._partitions.items()):
            if not partition.in_flight and topic_partition in self._client.assignment() and not partition.closing:
                async with asyncio.timeout(POSITION_SECONDS):
                    partition.tracker.skip_to(await self._client.position(topic_partition))

    async def lag_records(self) -> dict[Partition, int]:
        """Records between the committed offset and the end of each partition. Raises KafkaError, TimeoutError."""
        partitions = dict(self._partitions)
        async with asyncio.timeout(self._settings.request_timeout_seconds):
            ends = await self._client.end_offsets(list(partitions)) if partitions else {}
        return {partition: max(0, ends[tp] - partition.tracker.watermark) for tp, partition in partitions.items()}

    async def stop(self, timeout_seconds: float) -> None:
        """Leave the group within the time."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._client.stop()
        except (KafkaError, TimeoutError, asyncio.CancelledError) as error:
            # aiokafka raises CancelledError out of stop() when the brokers are gone.
            log.warning("could not leave the group cleanly", error=type(error).__name__)


def _name(topic_partition: TopicPartition) -> str:
    return f"{topic_partition.topic}-{topic_partition.partition}"


def _topic_partition(partition: Partition) -> TopicPartition:
    return TopicPartition(partition.topic, partition.number)
