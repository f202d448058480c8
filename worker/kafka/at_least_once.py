"""Publishing at least once: acknowledged before the offset may move."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import structlog
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from worker.in_flight.message import Outgoing, Result
from worker.in_flight.partition import Partition

log = structlog.get_logger(__name__)

CLIENT_CLOSE_SECONDS = 1.0

CommittedOffset = Callable[[], Awaitable[int | None]]
"""Asks the group coordinator for the committed offset of one partition."""


class PublishError(Exception):
    """Some records of a round were not acknowledged; the others are marked `acknowledged`."""


class Publisher(Protocol):
    """Brings results to their topics. What it promises of each is its own."""

    @property
    def commits_offsets(self) -> bool:
        """Whether publishing also commits the offset; nobody else may then. Results must come in offset order."""
        ...

    async def open(self, topic_partition: TopicPartition, committed: CommittedOffset) -> None:
        """A partition is assigned, and its committed offset not yet read. Raises KafkaError, TimeoutError."""
        ...

    async def publish(self, partition: Partition, results: Sequence[Result]) -> None:
        """Publish what is not yet acknowledged. Raises PublishError: call again with the same results."""
        ...

    async def mark(self, partition: Partition) -> None:
        """Write the partition's mark beside its offset, if offsets are committed here. Raises PublishError."""
        ...

    def release(self, partition: Partition) -> None:
        """A partition was given up; nothing of it is published any more."""
        ...

    async def close(self, timeout_seconds: float) -> None:
        """Stop within the time."""
        ...


class AtLeastOncePublisher:
    """Outputs and dead letters, each through its own producer: a dead-letter topic that is down stops no output.

    Per-key order holds because a partition's results are sent in order and its rounds follow one another.
    """

    commits_offsets = False

    def __init__(
        self, create_producer: Callable[[], AIOKafkaProducer], *, dead_letter_topic: str, timeout_seconds: float
    ) -> None:
        self._dead_letter_topic = dead_letter_topic
        self._outputs = DisposableProducer(create_producer, timeout_seconds)
        self._dead_letters = DisposableProducer(create_producer, timeout_seconds)

    async def open(self, topic_partition: TopicPartition, committed: CommittedOffset) -> None:
        """Nothing to prepare: the producers are shared by all partitions."""

    async def mark(self, partition: Partition) -> None:
        """Nothing to write: the consumer's commits carry the marks."""

    def release(self, partition: Partition) -> None:
        """Nothing to give up: the producers are shared by all partitions."""

    async def publish(self, partition: Partition, results: Sequence[Result]) -> None:
        """Send what is not yet acknowledged and wait for the brokers.

        Raises:
            PublishError: at least one record was not acknowledged; call again with the same results.
        """
        pending = [record for result in results for record in result.outgoing if not record.acknowledged]
        outputs = [record for record in pending if record.topic != self._dead_letter_topic]
        dead_letters = [record for record in pending if record.topic == self._dead_letter_topic]
        failures = await asyncio.gather(self._outputs.send(outputs), self._dead_letters.send(dead_letters))
        for failure, records in zip(failures, (outputs, dead_letters), strict=True):
            if failure is not None:
                topics = ", ".join(sorted({record.topic for record in records if not record.acknowledged}))
                raise PublishError(f"{topics}: {type(failure).__name__}: {failure}") from failure

    async def close(self, timeout_seconds: float) -> None:
        """Stop the producers within the time."""
        await asyncio.gather(self._outputs.close(timeout_seconds), self._dead_letters.close(timeout_seconds))


class DisposableProducer:
    """A producer that is replaced after any failure.

    An idempotent producer whose send failed may have a hole in its sequence and then refuses that partition for ever
    (a partition without leader and an oversize record both cause it), so one that failed is never used again.
    """

    def __init__(self, create: Callable[[], AIOKafkaProducer], timeout_seconds: float) -> None:
        self._create = create
        self._timeout_seconds = timeout_seconds
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._stopping: set[asyncio.Task[None]] = set()

    async def send(self, records: Sequence[Outgoing]) -> BaseException | None:
        """Send in order, wait for every acknowledgement and mark it; gives the first failure."""
        if not records:
            return None
        producer = None
        acknowledgements: list[asyncio.Future[object]] = []
        failure: BaseException | None = None
        try:
            async with asyncio.timeout(self._timeout_seconds):
                producer = await self._started()
                for record in records:
                    acknowledgements.append(
                        await producer.send(record.topic, key=record.key, value=record.value, headers=record.headers)
                    )
                # One by one: a batch acknowledges its records together, so this wakes once a batch, not once a record.
                # Neither gather nor await: cancelling those would cancel the deliveries, which may still succeed.
                for acknowledgement in acknowledgements:
                    if not acknowledgement.done():
                        await asyncio.wait((acknowledgement,))
        except (KafkaError, OSError, TimeoutError) as error:
            failure = error
        finally:
            for acknowledgement in acknowledgements:
                if acknowledgement.done():
                    _read_exception(acknowledgement)
                else:
                    acknowledgement.add_done_callback(_read_exception)
        for record, acknowledgement in zip(records, acknowledgements, strict=False):
            if acknowledgement.done() and not acknowledgement.cancelled():
                error = acknowledgement.exception()
                record.acknowledged = error is None
                failure = failure or error
        if failure is None and not all(record.acknowledged for record in records):
            failure = TimeoutError(f"no acknowledgement within {self._timeout_seconds:g} s")
        if failure is not None and producer is not None:
            self._replace(producer)
        return failure

    async def close(self, timeout_seconds: float) -> None:
        """Stop within the time; what was not acknowledged stays unpublished."""
        if self._producer is not None:
            self._replace(self._producer)
        if self._stopping:
            _, late = await asyncio.wait(self._stopping, timeout=timeout_seconds)
            for task in late:
                task.cancel()

    async def _started(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                producer = self._create()
                try:
                    await producer.start()
                except BaseException:
                    await stop_producer(producer, CLIENT_CLOSE_SECONDS)
                    raise
                self._producer = producer
            return self._producer

    def _replace(self, producer: AIOKafkaProducer) -> None:
        """Let the next send begin with a fresh producer; the old one flushes what other partitions gave it."""
        if self._producer is producer:
            self._producer = None
            task = asyncio.create_task(stop_producer(producer, self._timeout_seconds))
            self._stopping.add(task)
            task.add_done_callback(self._stopping.discard)


def _read_exception(acknowledgement: "asyncio.Future[object]") -> None:
    """asyncio reports an exception that nobody reads as an error of its own."""
    if not acknowledgement.cancelled():
        acknowledgement.exception()


async def stop_producer(producer: AIOKafkaProducer, timeout_seconds: float) -> None:
    """Stop a producer that may be broken: `stop()` alone never returns while a record of it is stuck."""
    try:
        async with asyncio.timeout(timeout_seconds):
            await producer.stop()
    except (KafkaError, OSError, TimeoutError, asyncio.CancelledError) as error:
        log.info("producer did not stop cleanly", error=type(error).__name__)
        sender_task = producer._sender.sender_task
        if sender_task is not None:
            sender_task.cancel()
        with_timeout = asyncio.wait_for(producer.client.close(), CLIENT_CLOSE_SECONDS)
        await asyncio.gather(with_timeout, return_exceptions=True)
