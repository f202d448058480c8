"""Publishing exactly once: outputs, dead letters and the offset of an input partition in one transaction."""

import asyncio
from collections.abc import Callable, Sequence

import structlog
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata

from worker.in_flight.message import Result
from worker.in_flight.partition import Partition
from worker.in_flight.publisher import CommittedOffset
from worker.kafka.error_mapping import Operation
from worker.kafka.producer import RetiredProducers, publish_error, read_exception, start_producer

log = structlog.get_logger(__name__)


class ExactlyOncePublisher:
    """One transactional producer for each input partition that is assigned.

    Its transactional id names the input partition, so that whoever owns the partition next fences this producer: an
    id shared by several partitions would let a process that was frozen rewind offsets. What holds at any time is that
    an input's output is committed if and only if the group's offset has passed it.

    A producer whose transaction failed is thrown away. The next one's start ends the old transaction either way, and
    only then does the committed offset tell which way: what it has passed is done, the rest is sent again.
    """

    commits_offsets = True

    def __init__(
        self, create_producer: Callable[[str], AIOKafkaProducer], *, group_id: str, timeout_seconds: float
    ) -> None:
        """`create_producer` is given the transactional id."""
        self._create_producer = create_producer
        self._group_id = group_id
        self._timeout_seconds = timeout_seconds
        self._sessions: dict[TopicPartition, _Session] = {}
        self._retired = RetiredProducers(timeout_seconds)

    async def open(self, topic: str, number: int, committed: CommittedOffset) -> None:
        """Fence the partition's former owner; only after this may its committed offset be read.

        Raises:
            KafkaError, TimeoutError: the producer could not be started.
        """
        topic_partition = TopicPartition(topic, number)
        transactional_id = f"{self._group_id}-{topic}-{number}"
        self._forget(topic_partition)
        session = _Session(lambda: self._create_producer(transactional_id), topic_partition, self._group_id, committed)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await session.start()
        except TimeoutError as error:
            raise TimeoutError(
                f"the producer {transactional_id!r} did not start within {self._timeout_seconds:g} s "
                "(a multiple of kafka.request_timeout_seconds)"
            ) from error
        self._sessions[topic_partition] = session

    async def publish(self, partition: Partition, results: Sequence[Result]) -> None:
        """Commit the results and the offset behind the last of them; all or nothing.

        `results` follow one another without a gap in the partition's delivery order.

        Raises:
            PublishError: none counts as published; call again with the same results.
        """
        await self._transact(partition, results)
        for result in results:
            for record in result.outgoing:
                record.acknowledged = True

    async def publish_alone(self, partition: Partition, result: Result) -> None:
        """As `publish`: the partition has a producer of its own. Raises PublishError."""
        await self.publish(partition, [result])

    async def write_mark(self, partition: Partition) -> None:
        """Write what the partition's mark has to say, at the offset that is committed. Raises PublishError."""
        await self._transact(partition, ())

    async def _transact(self, partition: Partition, results: Sequence[Result]) -> None:
        session = self._sessions[TopicPartition(partition.topic, partition.number)]
        try:
            async with asyncio.timeout(self._timeout_seconds), session.lock:
                mark, position = partition.mark(), partition.tracker.position
                marked = await session.publish(results, partition.tracker.watermark, mark.encode())
        except (KafkaError, OSError, TimeoutError) as error:
            self._retire(session)
            topics = sorted({record.topic for result in results for record in result.outgoing})
            raise publish_error(error, Operation.TRANSACT, topics, self._group_id) from error
        if marked:
            partition.suspects.written(mark, position)

    def close(self, partition: Partition) -> None:
        """The partition is no longer ours."""
        self._forget(TopicPartition(partition.topic, partition.number))

    async def stop(self, timeout_seconds: float) -> None:
        """Stop the producers within the time; a transaction that is still open is ended by the next owner."""
        for topic_partition in list(self._sessions):
            self._forget(topic_partition)
        await self._retired.stopped(timeout_seconds)

    def _forget(self, topic_partition: TopicPartition) -> None:
        if session := self._sessions.pop(topic_partition, None):
            self._retire(session)

    def _retire(self, session: "_Session") -> None:
        producer, session.producer = session.producer, None
        if producer is not None:
            self._retired.add(producer)


class _Session:
    """The producer of one input partition, and from which offset on nothing is committed yet."""

    def __init__(
        self,
        create: Callable[[], AIOKafkaProducer],
        topic_partition: TopicPartition,
        group_id: str,
        committed: CommittedOffset,
    ) -> None:
        self._create = create
        self._topic_partition = topic_partition
        self._group_id = group_id
        self._committed = committed
        self._first_uncommitted = 0
        self.lock = asyncio.Lock()
        self.producer: AIOKafkaProducer | None = None

    async def start(self) -> AIOKafkaProducer:
        self.producer = await start_producer(self._create)
        return self.producer

    async def publish(self, results: Sequence[Result], watermark: int, metadata: str) -> bool:
        """Without results only the metadata is written, with the offset that has been committed.

        Returns whether this transaction was needed: an earlier one, with its own metadata, may have been committed.
        """
        producer = self.producer
        if producer is None:
            producer = await self.start()
            # Never before start(): while the old transaction is open this would be the offset before it.
            self._first_uncommitted = await self._committed() or 0
        pending = [result for result in results if result.offset >= self._first_uncommitted]
        if results and not pending:
            log.info("an earlier transaction had been committed", partition=str(self._topic_partition))
            return False
        await producer.begin_transaction()
        acknowledgements: list[asyncio.Future[object]] = []
        for record in (record for result in pending for record in result.outgoing):
            acknowledgement = await producer.send(
                record.topic, key=record.key, value=record.value, headers=record.headers
            )
            acknowledgement.add_done_callback(read_exception)
            acknowledgements.append(acknowledgement)
        # aiokafka commits a transaction whose sends failed, and the offset would move past a lost output.
        await asyncio.gather(*acknowledgements)
        next_offset = pending[-1].offset + 1 if pending else max(watermark, self._first_uncommitted)
        offset = OffsetAndMetadata(next_offset, metadata)
        await producer.send_offsets_to_transaction({self._topic_partition: offset}, self._group_id)
        await producer.commit_transaction()
        self._first_uncommitted = next_offset
        return True
