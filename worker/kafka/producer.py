"""Producers that may break: started, used for one failure at most, and stopped in bounded time."""

import asyncio
from collections.abc import Callable, Sequence

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from worker.in_flight.outgoing import Outgoing
from worker.in_flight.publisher import PublishError
from worker.kafka.error_mapping import Operation, Remedy, judge

log = structlog.get_logger(__name__)

CLIENT_CLOSE_SECONDS = 1.0


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
        self._retired = RetiredProducers(timeout_seconds)

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
                    read_exception(acknowledgement)
                else:
                    acknowledgement.add_done_callback(read_exception)
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

    async def stop(self, timeout_seconds: float) -> None:
        """Stop within the time; what was not acknowledged stays unpublished."""
        if self._producer is not None:
            self._replace(self._producer)
        await self._retired.stopped(timeout_seconds)

    async def _started(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                self._producer = await start_producer(self._create)
            return self._producer

    def _replace(self, producer: AIOKafkaProducer) -> None:
        """Let the next send begin with a fresh producer; the old one flushes what other partitions gave it."""
        if self._producer is producer:
            self._producer = None
            self._retired.add(producer)


class RetiredProducers:
    """Producers that nobody uses any more, each being stopped in a task of its own."""

    def __init__(self, timeout_seconds: float) -> None:
        """`timeout_seconds`: what each is given."""
        self._timeout_seconds = timeout_seconds
        self._stopping: set[asyncio.Task[None]] = set()

    def add(self, producer: AIOKafkaProducer) -> None:
        """Begin to stop a producer."""
        task = asyncio.create_task(stop_producer(producer, self._timeout_seconds))
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)

    async def stopped(self, timeout_seconds: float) -> None:
        """Wait until all are stopped; those that take longer are given up."""
        if self._stopping:
            _, late = await asyncio.wait(self._stopping, timeout=timeout_seconds)
            for task in late:
                task.cancel()


async def start_producer(create: Callable[[], AIOKafkaProducer]) -> AIOKafkaProducer:
    """A producer that has started; one that could not is closed."""
    producer = create()
    try:
        await producer.start()
    except BaseException:
        await stop_producer(producer, CLIENT_CLOSE_SECONDS)
        raise
    return producer


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


def publish_error(
    failure: BaseException, operation: Operation, topics: Sequence[str], group_id: str | None = None
) -> PublishError:
    """What a failure of the client means to the stream."""
    judgement = judge(failure, operation, topics=topics, group_id=group_id)
    return PublishError(
        f"{', '.join(topics) or 'offsets'}: {judgement.words}",
        away=judgement.away,
        refuses_record=judgement.remedy is Remedy.DEAD_LETTER,
    )


def read_exception(acknowledgement: "asyncio.Future[object]") -> None:
    """asyncio reports an exception that nobody reads as an error of its own."""
    if not acknowledgement.cancelled():
        acknowledgement.exception()
