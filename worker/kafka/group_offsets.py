"""What brokers know of a group's partitions: committed offsets with their metadata, and the ends of the logs."""

import asyncio
from collections.abc import Collection, Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.structs import OffsetAndMetadata

TRUNCATION_RECHECKS, TRUNCATION_RECHECK_SECONDS = 6, 0.5


def coordinator(client: AIOKafkaConsumer) -> GroupCoordinator:
    """The client's own, of which it shows too little."""
    found = client._coordinator
    assert isinstance(found, GroupCoordinator), "a consumer that has subscribed has one"
    return found


async def fetch_committed(
    client: AIOKafkaConsumer, partitions: Collection[TopicPartition]
) -> dict[TopicPartition, OffsetAndMetadata]:
    """Committed offsets; a partition without one is left out. `committed()` of the client leaves the metadata out."""
    return await coordinator(client).fetch_committed_offsets(partitions)


async def topics_read(client: AIOKafkaConsumer, topics: Collection[str]) -> set[str]:
    """Those of the topics of which the group has committed an offset of any partition."""
    every = [TopicPartition(topic, n) for topic in topics for n in client.partitions_for_topic(topic) or ()]
    return {tp.topic for tp in await fetch_committed(client, every)}


async def log_bounds(
    client: AIOKafkaConsumer, positions: Mapping[TopicPartition, int | None]
) -> dict[TopicPartition, tuple[int, int]]:
    """First and next offset of each log.

    A leader that has just been elected may say an end below a position, until its high watermark catches up; taking
    that for a recreated topic would process everything again.
    """
    rechecks = 0
    while True:
        beginnings = await client.beginning_offsets(list(positions))
        ends = await client.end_offsets(list(positions))
        truncated = any(offset is not None and offset > ends[tp] for tp, offset in positions.items())
        if not truncated or rechecks == TRUNCATION_RECHECKS:
            return {tp: (beginnings[tp], ends[tp]) for tp in positions}
        rechecks += 1
        await asyncio.sleep(TRUNCATION_RECHECK_SECONDS)
