"""Topics, records and offsets on a Kafka under test, in one call each."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.structs import ConsumerRecord, RecordMetadata
from support.eventually import eventually


@dataclass(frozen=True, slots=True)
class Record:
    """What to produce; `partition` None leaves the choice to the key."""

    value: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    timestamp_ms: int | None = None
    partition: int | None = None


def unique_name(prefix: str) -> str:
    """A topic or group name no other test has."""
    return f"{prefix}-{uuid.uuid4().hex[:10]}"


@asynccontextmanager
async def admin_client(bootstrap_servers: str, **security: Any) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers, **security)
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


async def create_topic(
    bootstrap_servers: str,
    prefix: str = "topic",
    *,
    partitions: int = 1,
    replicas: int = 1,
    config: Mapping[str, str] | None = None,
) -> str:
    """Create a topic with a unique name; returns the name once it has leaders."""
    name = unique_name(prefix)
    async with admin_client(bootstrap_servers) as admin:
        topic = NewTopic(name, partitions, replicas, topic_configs=dict(config or {}))
        response = await admin.create_topics([topic])
        failures = [error for error in response.to_object()["topic_errors"] if error["error_code"] != 0]
        assert not failures, failures
        while True:
            described = (await admin.describe_topics([name]))[0]
            leaders = [partition["leader"] for partition in described["partitions"]]
            if described["error_code"] == 0 and len(leaders) == partitions and min(leaders) >= 0:
                return name
            await asyncio.sleep(0.02)


async def produce(
    bootstrap_servers: str, topic: str, records: Iterable[Record | bytes | None], **options: Any
) -> list[RecordMetadata]:
    """Produce in order, wait for every acknowledgement; bytes and None stand for a record with only that value."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, max_request_size=32 * 1024 * 1024, **options)
    try:
        await producer.start()
        futures = [await _send(producer, topic, record) for record in records]
        return list(await asyncio.gather(*futures))
    finally:
        await producer.stop()


async def _send(
    producer: AIOKafkaProducer, topic: str, record: Record | bytes | None
) -> "asyncio.Future[RecordMetadata]":
    if not isinstance(record, Record):
        record = Record(record)
    if record.key is None and record.value is None:  # send() refuses what other clients may well have written
        batch = producer.create_batch()
        batch.append(key=None, value=None, timestamp=record.timestamp_ms, headers=list(record.headers))
        return await producer.send_batch(batch, topic, partition=record.partition or 0)
    return await producer.send(
        topic,
        record.value,
        key=record.key,
        partition=record.partition,
        timestamp_ms=record.timestamp_ms,
        headers=list(record.headers),
    )


async def read_all(
    bootstrap_servers: str, *topics: str, isolation_level: str = "read_committed"
) -> list[ConsumerRecord]:
    """Every record the topics hold now, in order within each partition."""
    return await _read(bootstrap_servers, topics, None, 60.0, isolation_level)


async def wait_for_records(
    bootstrap_servers: str,
    topics: str | Iterable[str],
    count: int,
    *,
    timeout_seconds: float = 60.0,
    isolation_level: str = "read_committed",
) -> list[ConsumerRecord]:
    """The topics' records from their beginning, as soon as there are `count` or more; AssertionError on timeout."""
    names = (topics,) if isinstance(topics, str) else tuple(topics)
    return await _read(bootstrap_servers, names, count, timeout_seconds, isolation_level)


async def _read(
    bootstrap_servers: str, topics: tuple[str, ...], count: int | None, timeout_seconds: float, isolation_level: str
) -> list[ConsumerRecord]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level=isolation_level,
        max_partition_fetch_bytes=32 * 1024 * 1024,
    )
    try:
        await consumer.start()
        partitions = await _partitions(bootstrap_servers, topics)
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        ends = await consumer.end_offsets(partitions)
        records: list[ConsumerRecord] = []
        deadline = time.monotonic() + timeout_seconds
        while count is not None or not await _reached(consumer, ends):
            for found in (await consumer.getmany(timeout_ms=100)).values():
                records.extend(found)
            if count is not None and len(records) >= count:
                break
            assert time.monotonic() < deadline, f"{len(records)} records of {count} after {timeout_seconds} s"
        return records
    finally:
        await consumer.stop()


async def _reached(consumer: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]) -> bool:
    return all([await consumer.position(partition) >= end for partition, end in ends.items()])


async def _partitions(bootstrap_servers: str, topics: Iterable[str]) -> list[TopicPartition]:
    async with admin_client(bootstrap_servers) as admin:
        described = await admin.describe_topics(list(topics))
    return [TopicPartition(t["topic"], p["partition"]) for t in described for p in t["partitions"]]


async def end_offsets(bootstrap_servers: str, topic: str) -> dict[TopicPartition, int]:
    """The offset behind the last one of each partition, transaction markers included."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers)
    try:
        await consumer.start()
        return dict(await consumer.end_offsets(await _partitions(bootstrap_servers, [topic])))
    finally:
        await consumer.stop()


async def committed_offsets(bootstrap_servers: str, group: str) -> dict[TopicPartition, int]:
    """What the group has committed, per partition."""
    async with admin_client(bootstrap_servers) as admin:
        offsets = await admin.list_consumer_group_offsets(group)
    return {partition: found.offset for partition, found in offsets.items() if found.offset >= 0}


async def metadata_of_offsets(bootstrap_servers: str, group: str) -> dict[TopicPartition, str]:
    """What the group has written beside its committed offsets, per partition."""
    async with admin_client(bootstrap_servers) as admin:
        offsets = await admin.list_consumer_group_offsets(group)
    return {partition: found.metadata for partition, found in offsets.items() if found.offset >= 0}


async def wait_for_committed(
    bootstrap_servers: str, group: str, expected: Mapping[TopicPartition, int], *, timeout_seconds: float = 60.0
) -> None:
    """Return when the group has committed at least `expected`; AssertionError on timeout."""
    await eventually(
        lambda: committed_offsets(bootstrap_servers, group),
        lambda committed: all(committed.get(partition, -1) >= offset for partition, offset in expected.items()),
        what=f"{dict(expected)} committed",
        timeout_seconds=timeout_seconds,
    )
