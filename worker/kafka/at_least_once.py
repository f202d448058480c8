"""Publishing at least once: acknowledged before the offset may move."""

import asyncio
from collections.abc import Callable, Sequence

from aiokafka import AIOKafkaProducer

from worker.in_flight.message import Result
from worker.in_flight.outgoing import Outgoing
from worker.in_flight.partition import Partition
from worker.in_flight.publisher import CommittedOffset, PublishError
from worker.kafka.error_mapping import Operation
from worker.kafka.producer import DisposableProducer, publish_error


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
        self._alone = DisposableProducer(create_producer, timeout_seconds)
        self._one_at_a_time = asyncio.Lock()

    async def open(self, topic: str, number: int, committed: CommittedOffset) -> None:
        """Nothing to prepare: the producers are shared by all partitions."""

    async def write_mark(self, partition: Partition) -> None:
        """Nothing to write: the consumer's commits carry the marks."""

    def close(self, partition: Partition) -> None:
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
                raise _publish_error(failure, records) from failure

    async def publish_alone(self, partition: Partition, result: Result) -> None:
        """Through a producer of its own: no batch of it holds a record of another result. Raises PublishError."""
        async with self._one_at_a_time:
            for record in result.outgoing:
                if not record.acknowledged and (failure := await self._alone.send([record])) is not None:
                    raise _publish_error(failure, [record]) from failure

    async def stop(self, timeout_seconds: float) -> None:
        """Stop the producers within the time."""
        producers = (self._outputs, self._dead_letters, self._alone)
        await asyncio.gather(*(producer.stop(timeout_seconds) for producer in producers))


def _publish_error(failure: BaseException, records: Sequence[Outgoing]) -> PublishError:
    topics = sorted({record.topic for record in records if not record.acknowledged})
    return publish_error(failure, Operation.PRODUCE, topics)
