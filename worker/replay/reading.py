"""Reading what a topic of dead letters holds."""

import time
from collections.abc import AsyncIterator, Callable, Collection

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError, for_code

from schemas.kafka_settings import KafkaSettings
from worker.errors import DeadLetterToolError
from worker.kafka.client_options import client_options
from worker.kafka.topics import NO_ERROR, Topic, describe_topics
from worker.replay.letters import DeadLetter, Filter

POLL_MS = 200


async def read_records(
    kafka: KafkaSettings,
    topic: str,
    progress: Callable[[int, int], None] = lambda done, total: None,
    *,
    places: Collection[tuple[int, int]] = (),
) -> AsyncIterator["ConsumerRecord[bytes | None, bytes | None]"]:
    """The committed records a topic holds now; what is written meanwhile is left out, so that this always ends.

    With `places` (partition, offset) only what lies between the first and the last of each partition. `progress` is
    told how many offsets of how many were passed. Raises DeadLetterToolError, KafkaError, TimeoutError.
    """
    consumer = AIOKafkaConsumer(
        **client_options(kafka),
        enable_auto_commit=False,
        isolation_level="read_committed",
        max_partition_fetch_bytes=kafka.fetch_max_bytes,
    )
    try:
        await consumer.start()
        described = (await describe_topics(client_options(kafka), [topic], kafka.request_timeout_seconds))[topic]
        refuse_missing(described)
        partitions = [TopicPartition(topic, number) for number in range(described.partitions)]
        consumer.assign(partitions)
        begins, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
        for partition in partitions if places else ():
            offsets = [offset for number, offset in places if number == partition.partition]
            begins[partition] = max(begins[partition], min(offsets, default=ends[partition]))
            ends[partition] = max(begins[partition], min(ends[partition], max(offsets, default=-1) + 1))
        for partition in partitions:
            consumer.seek(partition, begins[partition])
        total = sum(ends[partition] - begins[partition] for partition in partitions)
        open_partitions = {partition for partition in partitions if ends[partition] > begins[partition]}
        quiet_since = time.monotonic()
        while open_partitions:
            found = await consumer.getmany(*open_partitions, timeout_ms=POLL_MS)
            for partition, batch in found.items():
                for record in batch:
                    if record.offset < ends[partition]:
                        yield record
            positions = {partition: await consumer.position(partition) for partition in partitions}
            progress(sum(min(positions[each], ends[each]) - begins[each] for each in partitions), total)
            open_partitions = {each for each in open_partitions if positions[each] < ends[each]}
            if found:
                quiet_since = time.monotonic()
            elif time.monotonic() - quiet_since > kafka.request_timeout_seconds:
                raise TimeoutError(f"{topic}: nothing read for {kafka.request_timeout_seconds:g} s")
    finally:
        await consumer.stop()


async def read_dead_letters(
    kafka: KafkaSettings,
    topic: str,
    wanted: Filter,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> AsyncIterator[DeadLetter]:
    """The dead letters that a topic holds now and that `wanted` admits."""
    async for record in read_records(kafka, topic, progress, places=wanted.places):
        letter = DeadLetter.of(record)
        if wanted.admits(letter):
            yield letter


def refuse_missing(topic: Topic) -> None:
    """Raise DeadLetterToolError where the topic cannot be used."""
    if topic.missing:
        raise DeadLetterToolError(f"topic {topic.name!r} does not exist")
    if topic.error_code != NO_ERROR:
        raise DeadLetterToolError(f"topic {topic.name!r}: {for_code(topic.error_code).__name__}")


TOOL_ERRORS = (DeadLetterToolError, KafkaError, TimeoutError)
