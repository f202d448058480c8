"""Topics on a Kafka for one measurement: created, filled beforehand, and read back."""

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.structs import ConsumerRecord

LEADER_SECONDS = 30.0
FILL_BATCH_BYTES = 256 * 1024
BROKER_TIME = {"message.timestamp.type": "LogAppendTime"}


@dataclass(frozen=True, slots=True)
class StreamTopics:
    """Names of one measurement's topics. The output topic has the broker's time of appending as timestamp."""

    prefix: str
    partitions: int

    @classmethod
    def unique(cls, partitions: int) -> "StreamTopics":
        return cls(f"benchmark-{uuid.uuid4().hex[:8]}", partitions)

    @property
    def input(self) -> str:
        return f"{self.prefix}-in"

    @property
    def output(self) -> str:
        return f"{self.prefix}-out"

    @property
    def dead_letters(self) -> str:
        return f"{self.prefix}-dead-letters"


async def create(bootstrap_servers: str, topics: StreamTopics, replicas: int = 1) -> None:
    """Create the topics; returns when every partition has a leader. Raises RuntimeError when the broker refuses."""
    names = (topics.input, topics.output, topics.dead_letters)
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        created = [
            NewTopic(name, topics.partitions, replicas, topic_configs=BROKER_TIME if name == topics.output else {})
            for name in names
        ]
        refusals = [e for e in (await admin.create_topics(created)).to_object()["topic_errors"] if e["error_code"]]
        if refusals:
            raise RuntimeError(f"the topics cannot be created: {refusals}")
        async with asyncio.timeout(LEADER_SECONDS):
            while not _led(await admin.describe_topics(list(names)), len(names) * topics.partitions):
                await asyncio.sleep(0.05)
    finally:
        await admin.close()


async def fill(bootstrap_servers: str, topic: str, partitions: int, values: Iterable[bytes]) -> int:
    """Produce the values, keyed by number, over all partitions in turn; returns how many, all acknowledged."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, max_batch_size=FILL_BATCH_BYTES)
    await producer.start()
    count = 0
    acknowledgements: list[asyncio.Future[Any]] = []
    # Whole batches: a future for every record takes longer than all else.
    batches = [producer.create_batch() for _ in range(partitions)]

    async def send(partition: int) -> None:
        acknowledgements.append(await producer.send_batch(batches[partition], topic, partition=partition))
        batches[partition] = producer.create_batch()

    try:
        for count, value in enumerate(values, start=1):
            partition, key = count % partitions, str(count).encode()
            if batches[partition].append(timestamp=None, key=key, value=value) is None:
                await send(partition)
                if batches[partition].append(timestamp=None, key=key, value=value) is None:
                    raise RuntimeError(f"a value of {len(value)} bytes does not fit into a batch")
        for partition, batch in enumerate(batches):
            if batch.record_count():
                await send(partition)
        await asyncio.gather(*acknowledgements)
    finally:
        await producer.stop()
    return count


async def read(
    bootstrap_servers: str,
    topics: Sequence[str],
    partitions: int,
    timeout_seconds: float,
    begin: Mapping[TopicPartition, int] | None = None,
) -> AsyncGenerator[ConsumerRecord]:
    """Records of these topics until the time-out; `begin` has offsets to read from instead of the start."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, partition) for topic in topics for partition in range(partitions)])
        for topic_partition, offset in (begin or {}).items():
            consumer.seek(topic_partition, offset)
        until = time.monotonic() + timeout_seconds
        while time.monotonic() < until:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    yield record
    finally:
        await consumer.stop()


async def read_until(
    bootstrap_servers: str,
    topics: Sequence[str],
    partitions: int,
    count: int,
    timeout_seconds: float,
    begin: Mapping[TopicPartition, int] | None = None,
) -> list[ConsumerRecord]:
    """The first `count` records of these topics together, or what there is after the time-out."""
    records: list[ConsumerRecord] = []
    async with aclosing(read(bootstrap_servers, topics, partitions, timeout_seconds, begin)) as reading:
        async for record in reading:
            records.append(record)
            if len(records) >= count:
                break
    return records


def _led(described: list[dict], partitions: int) -> bool:
    leaders = [p["leader"] for topic in described if not topic["error_code"] for p in topic["partitions"]]
    return len(leaders) == partitions and min(leaders) >= 0
