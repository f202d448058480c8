"""The helpers every integration test builds on, against the real broker."""

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import UnknownTopicOrPartitionError
from support.kafka import (
    Record,
    admin_client,
    create_topic,
    produce,
    read_all,
    unique_name,
    wait_for_committed,
    wait_for_records,
)

from worker.demo.local_kafka import LocalKafka

pytestmark = pytest.mark.integration


async def test_records_come_back_as_they_were_produced(kafka: LocalKafka) -> None:
    topic = await create_topic(kafka.bootstrap_servers, partitions=3)
    sent = [
        Record(b"one", key=b"k", headers=(("h", b"1"), ("h", None)), timestamp_ms=17),
        Record(None, key=b"tombstone"),
        Record(None),
        Record("ünï".encode(), partition=2),
    ]

    acknowledged = await produce(kafka.bootstrap_servers, topic, sent)
    records = await wait_for_records(kafka.bootstrap_servers, topic, len(sent))

    assert len(acknowledged) == len(records) == len(sent)
    by_value = {(r.key, r.value): r for r in records}
    assert by_value[(b"k", b"one")].headers == (("h", b"1"), ("h", None))
    assert by_value[(b"k", b"one")].timestamp == 17
    assert by_value[(None, "ünï".encode())].partition == 2
    assert (None, None) in by_value
    assert (b"tombstone", None) in by_value


async def test_all_records_of_several_topics_are_read(kafka: LocalKafka) -> None:
    first, second = [await create_topic(kafka.bootstrap_servers) for _ in range(2)]
    await produce(kafka.bootstrap_servers, first, [b"1", b"2"])
    await produce(kafka.bootstrap_servers, second, [b"3"])

    records = await read_all(kafka.bootstrap_servers, first, second)

    assert sorted(r.value or b"" for r in records) == [b"1", b"2", b"3"]


async def test_a_topic_nobody_created_stays_absent(kafka: LocalKafka) -> None:
    async with admin_client(kafka.bootstrap_servers) as admin:
        described = await admin.describe_topics([unique_name("typo")])
    assert described[0]["error_code"] == UnknownTopicOrPartitionError.errno


async def test_committed_offsets_of_a_group_are_seen(kafka: LocalKafka) -> None:
    topic = await create_topic(kafka.bootstrap_servers)
    group = unique_name("group")
    await produce(kafka.bootstrap_servers, topic, [b"1", b"2"])
    consumer = AIOKafkaConsumer(
        topic, group_id=group, bootstrap_servers=kafka.bootstrap_servers, enable_auto_commit=False
    )
    await consumer.start()
    try:
        await consumer.commit({TopicPartition(topic, 0): 2})
    finally:
        await consumer.stop()

    await wait_for_committed(kafka.bootstrap_servers, group, {TopicPartition(topic, 0): 2}, timeout_seconds=20)
