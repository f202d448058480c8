"""Topics on a Kafka for one measurement: created, filled beforehand, and read back."""

import asyncio
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.structs import ConsumerRecord

LEADER_SECONDS = 30.0
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


async def create(bootstrap_servers: str, topics: StreamTopics) -> None:
    """Create the topics; returns when every partition has a leader. Raises RuntimeError when the broker refuses."""
    names = (topics.input, topics.output, topics.dead_letters)
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        created = [
            NewTopic(name, topics.partitions, 1, topic_configs=BROKER_TIME if name == topics.output else {})
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
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, linger_ms=20, max_batch_size=256 * 1024)
    await producer.start()
    count = 0
    try:
        pending: set[asyncio.Future[object]] = set()
        for count, value in enumerate(values, start=1):
            future = await producer.send(topic, value, key=str(count).encode(), partition=count % partitions)
            pending.add(future)
            if len(pending) >= 5000:
                await asyncio.gather(*pending)
                pending.clear()
        await asyncio.gather(*pending)
    finally:
        await producer.stop()
    return count


async def read_until(
    bootstrap_servers: str, topics: Sequence[str], partitions: int, count: int, timeout_seconds: float
) -> list[ConsumerRecord]:
    """The first `count` records of these topics together, or what there is after the time-out."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    records: list[ConsumerRecord] = []
    try:
        consumer.assign([TopicPartition(topic, partition) for topic in topics for partition in range(partitions)])
        async with asyncio.timeout(timeout_seconds):
            while len(records) < count:
                for found in (await consumer.getmany(timeout_ms=200)).values():
                    records.extend(found)
    except TimeoutError:
        return records
    finally:
        await consumer.stop()
    return records


def _led(described: list[dict], partitions: int) -> bool:
    leaders = [p["leader"] for topic in described if not topic["error_code"] for p in topic["partitions"]]
    return len(leaders) == partitions and min(leaders) >= 0
