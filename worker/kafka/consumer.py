"""The consumer group member: fetch, assignment, revocation, commit."""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Protocol

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import (
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
)
from aiokafka.structs import OffsetAndMetadata

from schemas.kafka_settings import KafkaSettings
from worker.backoff import Backoff
from worker.errors import AssignmentTimeoutError, BrokerRefusalError, InstanceIdTakenError
from worker.in_flight.message import Result
from worker.in_flight.partition import Partition
from worker.in_flight.publisher import Publisher
from worker.in_flight.record import Record
from worker.in_flight.suspects import Mark
from worker.kafka.cluster_client import ClusterClient
from worker.kafka.commits import OffsetCommits
from worker.kafka.connection_log import connection_log
from worker.kafka.credentials import LoginRefused
from worker.kafka.error_mapping import Operation
from worker.kafka.group_offsets import coordinator, fetch_committed, log_bounds, topics_read
from worker.kafka.instance_contest import InstanceContest
from worker.kafka.refusals import Refusals
from worker.kafka.start_offset import Log, next_offset, start_offset
from worker.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

FETCH_WAIT_MS = 100
POSITION_SECONDS = 1.0
FIRST_RECONNECT_SECONDS, LONGEST_RECONNECT_SECONDS = 0.5, 15.0


Delivery = tuple[Partition[Result], list[Record]]
"""Records that were taken into flight of one partition, in order."""


class Stream(Protocol):
    """What works on the records of an assignment."""

    def open(self, partition: Partition[Result]) -> None:
        """A partition is assigned; called for all of one assignment before the first await."""
        ...

    async def close(self, partitions: Collection[Partition[Result]]) -> None:
        """Bring what is in flight of these partitions to an end, or leave it to the next owner, in bounded time."""
        ...


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
        stream: Stream,
    ) -> None:
        self._create_client = create_client
        self._client = create_client()
        self._topics = topics
        self._settings = settings
        self._metrics = metrics
        self._publisher = publisher
        self._stream = stream
        self._leaving = False
        self._joined = False
        self._epoch = 0
        self._partitions: dict[TopicPartition, Partition[Result]] = {}
        self._paused: set[TopicPartition] = set()
        self._commits = OffsetCommits(settings.group_id, settings.request_timeout_seconds, metrics)
        self._refusals = Refusals(topics, settings)
        self._contest = InstanceContest(settings.session_timeout_seconds)
        self._rebalance_began_at: float | None = None
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def partitions(self) -> Collection[Partition[Result]]:
        """The partitions of the current assignment that may be fetched from."""
        return self._partitions.values()

    @property
    def joined(self) -> bool:
        """Whether the last rebalance has ended for this member, with or without partitions."""
        return self._joined

    @property
    def login_refused(self) -> LoginRefused | None:
        """Since when and why no broker lets this member in; None while one does, or all are merely away."""
        client = self._client._client
        return client.refused if isinstance(client, ClusterClient) else None

    @property
    def missing_topics(self) -> list[str]:
        """Input topics that the brokers do not know any more, once this member has joined."""
        if not self._joined:
            return []
        known = self._client._client.cluster
        return [topic for topic in self._topics if known.partitions_for_topic(topic) is None]

    async def failure(self) -> None:
        """Raise what a rebalance callback raised, should that happen: aiokafka swallows exceptions of its listener."""
        await self._failure

    async def start(self) -> None:
        """Connect and join the group; waits, and says so once, for brokers that are away.

        Raises:
            BrokerRefusalError: the login, a certificate, a right or a setting is refused, and no waiting helps.
        """
        backoff = Backoff(FIRST_RECONNECT_SECONDS, LONGEST_RECONNECT_SECONDS)
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
                    if (refusal := await self._refusals.of_joining(error)) is not None:
                        raise refusal from error
                    if backoff.first:
                        log.warning("waiting for the brokers", error=str(failure or error))
            await backoff.wait()
            self._client = self._create_client()

    async def fetch(self, max_records: int, *, least_first: bool = False) -> list[Delivery]:
        """Records that were taken into flight, by partition; waits a moment when there is none.

        `least_first`: a partition with more in flight than the mean waits a moment for the others. aiokafka asks in
        the same order each time, and what fills the room before others answer would keep them out for ever.

        Raises:
            KafkaError: not to be survived: every later call would raise it too.
            OffsetLostError: the log no longer has what comes next, and going on is not safe.
        """
        try:
            fetched = await self._getmany(max_records, self._least_in_flight() if least_first else ())
        except NoOffsetForPartitionError:
            # aiokafka looked for an offset before the assignment has sought one
            await asyncio.sleep(FETCH_WAIT_MS / 1000)
            return []
        except OffsetOutOfRangeError as refused:
            await self._go_on_at(refused.args[0])
            return []
        now = time.monotonic()
        delivered: list[Delivery] = []
        for topic_partition, records in fetched.items():
            partition = self._partitions.get(topic_partition)
            if partition is None or partition.closing:
                continue  # revoked while the fetch was on its way: the next owner gets them
            fresh: list[Record] = [record for record in records if record.offset >= partition.tracker.position]
            for record in fresh:
                partition.deliver(record, now)
            delivered.append((partition, fresh))
        if not fetched:
            await self._pass_markers()
        return delivered

    async def _getmany(
        self, max_records: int, first: Collection[TopicPartition]
    ) -> Mapping[TopicPartition, Sequence[Record]]:
        if first:
            fetched = await self._client.getmany(*first, timeout_ms=FETCH_WAIT_MS, max_records=max_records)
            if fetched:
                return fetched
        return await self._client.getmany(timeout_ms=0 if first else FETCH_WAIT_MS, max_records=max_records)

    def _least_in_flight(self) -> list[TopicPartition]:
        """Those that are fetched from and have no more than the mean in flight; none if these are all."""
        reading = {tp: partition.in_flight for tp, partition in self._partitions.items() if tp not in self._paused}
        total = sum(reading.values())
        least = [tp for tp, in_flight in reading.items() if in_flight * len(reading) <= total]
        return least if len(least) < len(reading) else []

    def pause(self, held_back: Collection[Partition]) -> None:
        """Fetch from every partition but these. Pausing drops what aiokafka has prefetched of a partition."""
        wanted = {_topic_partition(partition) for partition in held_back} & self._partitions.keys()
        if newly := wanted - self._paused:
            self._client.pause(*newly)
        if over := self._paused - wanted:
            self._client.resume(*over)
        self._paused = wanted

    def is_paused(self, partition: Partition) -> bool:
        """Whether `pause` holds a partition back now."""
        return _topic_partition(partition) in self._paused

    async def commit(self) -> bool:
        """Commit every watermark that moved and every mark that is due; says whether that succeeded."""
        if self._publisher.commits_offsets:
            return True
        return await self._commits.commit(self._client, self._partitions)

    async def on_partitions_revoked(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, revoked: Collection[TopicPartition]
    ) -> None:
        """Drain, commit and forget the partitions; aiokafka waits for this before it rejoins."""
        self._rebalance_began_at = time.monotonic()
        await self._give_up_assignment()

    async def give_up(self) -> None:
        """Give up every partition for good: later assignments are not taken."""
        self._leaving = True
        await self._give_up_assignment()

    async def _give_up_assignment(self) -> None:
        self._joined = False
        given_up = list(self._partitions.values())
        for partition in given_up:
            partition.begin_closing()
        try:
            await self._stream.close(given_up)
            await self.commit()
        finally:
            for partition in given_up:
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
            self._refuse_rival()
            await self._open_in_time(assigned)
        except Exception as error:
            if not self._failure.done():
                operation = Operation.TRANSACT if self._publisher.commits_offsets else Operation.COMMIT
                self._failure.set_exception(self._refusals.ending(error, operation))
            return
        if self._rebalance_began_at is not None:
            self._metrics.rebalance_duration_seconds.observe(time.monotonic() - self._rebalance_began_at)
        self._joined = True
        self._metrics.assigned_partitions.set(len(assigned))
        log.info("partitions assigned", partitions=sorted(f"{tp.topic}-{tp.partition}" for tp in assigned))

    def _refuse_rival(self) -> None:
        instance_id = self._settings.group_instance_id
        if instance_id is not None and self._contest.joined(coordinator(self._client).member_id, time.monotonic()):
            raise InstanceIdTakenError(
                f"another process keeps taking the place of this member: both have kafka.group_instance_id "
                f"{instance_id!r} in group {self._settings.group_id!r}; give each replica its own, or none"
            )

    async def _open_in_time(self, assigned: Collection[TopicPartition]) -> None:
        limit_seconds = self._settings.rebalance_timeout_seconds / 2
        limit = asyncio.timeout(limit_seconds)
        try:
            async with limit:
                await self._open(assigned)
        except TimeoutError as error:
            reason = f"not within {limit_seconds:g} s (half of kafka.rebalance_timeout_seconds)"
            raise AssignmentTimeoutError(
                f"{len(assigned)} assigned partition(s) were not opened at their committed offsets: "
                f"{reason if limit.expired() else error}; the brokers are slow, or this process stood still; "
                "nothing is lost, start it again"
            ) from error

    async def _open(self, assigned: Collection[TopicPartition]) -> None:
        if not assigned:
            return
        self._epoch += 1
        # Before the offsets are read: the former owner may still be committing one.
        await asyncio.gather(*(self._open_publisher(tp) for tp in assigned))
        committed = await self._refusals.asked(partial(fetch_committed, self._client, assigned))
        offsets = {tp: committed[tp].offset if tp in committed else None for tp in assigned}
        bounds = await self._refusals.asked(partial(log_bounds, self._client, offsets))
        new = {tp.topic for tp, offset in offsets.items() if offset is None}
        read = await self._refusals.asked(partial(topics_read, self._client, new))
        for topic_partition, offset in offsets.items():
            beginning, end = bounds[topic_partition]
            added = topic_partition.topic in read
            start = self._start_offset(topic_partition, offset, beginning, end, added=added)
            self._client.seek(topic_partition, start)
            mark = _mark(committed[topic_partition]) if start == offset else Mark()
            partition = Partition[Result](
                topic_partition.topic,
                topic_partition.partition,
                epoch=self._epoch,
                next_offset=start,
                in_offset_order=self._publisher.commits_offsets,
                suspects=mark.suspects(start, end),
            )
            self._partitions[topic_partition] = partition
            self._stream.open(partition)
        self._client.resume(*assigned)

    async def _open_publisher(self, tp: TopicPartition) -> None:
        await self._publisher.open(tp.topic, tp.partition, partial(self._client.committed, tp))

    def _start_offset(
        self, topic_partition: TopicPartition, committed: int | None, beginning: int, end: int, *, added: bool
    ) -> int:
        """Where to begin: the committed offset if the log still has it, else what the settings say, and loudly."""
        log_now = Log(_name(topic_partition), beginning, end)
        reset, group_id = self._settings.auto_offset_reset, self._settings.group_id
        start = start_offset(log_now, committed, reset, group_id, added=added)
        if committed is None and start > beginning:
            self._metrics.records_skipped.labels(topic_partition.topic).inc(start - beginning)
            log.warning("the group is new and begins at the end", partition=log_now.name, skipped=start - beginning)
        elif committed is not None and start != committed:
            self._skipped(topic_partition, log_now, committed, start)
        return start

    async def _go_on_at(self, refused: dict[TopicPartition, int]) -> None:
        """Find the place to read on where the broker has nothing at the next offset: aiokafka would do it silently."""
        reading = {tp: partition for tp in refused if (partition := self._partitions.get(tp)) is not None}
        bounds = await log_bounds(self._client, {tp: partition.tracker.position for tp, partition in reading.items()})
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


def _mark(committed: OffsetAndMetadata) -> Mark:
    """What the former owner left behind. A mark that cannot be read is none: it would hold the partition for ever."""
    try:
        return Mark.parse(committed.metadata or "")
    except ValueError:
        log.warning("the committed offset has metadata that cannot be read", metadata=committed.metadata)
        return Mark()


def _name(topic_partition: TopicPartition) -> str:
    return f"{topic_partition.topic}-{topic_partition.partition}"


def _topic_partition(partition: Partition) -> TopicPartition:
    return TopicPartition(partition.topic, partition.number)
