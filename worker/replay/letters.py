"""Reading dead letters back, by filter."""

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import orjson
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError, for_code

from schemas import records
from schemas.kafka_settings import KafkaSettings
from worker.errors import DeadLetterToolError
from worker.kafka.client_options import client_options
from worker.kafka.topics import NO_ERROR, Topic, describe_topics

HEADER_REPLAYED_FROM = "gliclass-replayed-from"
"""On a replayed record: topic-partition-offset of the dead letter it was."""

POLL_MS = 200

DEAD_LETTER_HEADERS = frozenset(
    {
        records.HEADER_REASON,
        records.HEADER_ERROR,
        records.HEADER_TENANT,
        records.HEADER_SOURCE_TOPIC,
        records.HEADER_SOURCE_PARTITION,
        records.HEADER_SOURCE_OFFSET,
        records.HEADER_SOURCE_TIMESTAMP_MS,
        records.HEADER_DEAD_LETTERED_AT_MS,
        records.HEADER_VALUE_NULL,
        records.HEADER_VALUE_OMITTED_BYTES,
        HEADER_REPLAYED_FROM,
    }
)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One record of the dead-letter topic."""

    record: "ConsumerRecord[bytes | None, bytes | None]"
    headers: dict[str, str]

    @classmethod
    def of(cls, record: "ConsumerRecord[bytes | None, bytes | None]") -> "DeadLetter":
        return cls(record, {name: (value or b"").decode(errors="replace") for name, value in record.headers})

    @property
    def id(self) -> str:
        """partition-offset in the dead-letter topic."""
        return f"{self.record.partition}-{self.record.offset}"

    @property
    def reason(self) -> str:
        return self.headers.get(records.HEADER_REASON, "unknown")

    @property
    def tenant(self) -> str | None:
        return self.headers.get(records.HEADER_TENANT)

    @property
    def source(self) -> str:
        """topic-partition-offset of the input record."""
        parts = (records.HEADER_SOURCE_TOPIC, records.HEADER_SOURCE_PARTITION, records.HEADER_SOURCE_OFFSET)
        return "-".join(self.headers.get(part, "?") for part in parts)

    @property
    def at_ms(self) -> int:
        """When it was dead-lettered; the record's own timestamp where the header is not a number."""
        written = self.headers.get(records.HEADER_DEAD_LETTERED_AT_MS, "")
        return int(written) if written.isdecimal() else self.record.timestamp

    def as_json(self) -> bytes:
        """One JSON object on one line; bytes that are not UTF-8 are replaced."""
        value, key = self.record.value, self.record.key
        return orjson.dumps(
            {
                "dead_letter": f"{self.record.topic}-{self.id}",
                "reason": self.reason,
                "error": self.headers.get(records.HEADER_ERROR),
                "tenant": self.tenant,
                "source": self.source,
                "dead_lettered_at_ms": self.at_ms,
                "key": None if key is None else key.decode(errors="replace"),
                "value": None if value is None else value.decode(errors="replace"),
                "headers": {name: value for name, value in self.headers.items() if name not in DEAD_LETTER_HEADERS},
            }
        )


@dataclass(frozen=True, slots=True)
class Filter:
    """Which dead letters are meant; an empty filter means all. Times are Unix milliseconds, `until_ms` exclusive."""

    reasons: frozenset[str] = frozenset()
    tenants: frozenset[str] = frozenset()
    since_ms: int | None = None
    until_ms: int | None = None

    def admits(self, letter: DeadLetter) -> bool:
        """Whether the dead letter is meant."""
        return (
            (not self.reasons or letter.reason in self.reasons)
            and (not self.tenants or letter.tenant in self.tenants)
            and (self.since_ms is None or letter.at_ms >= self.since_ms)
            and (self.until_ms is None or letter.at_ms < self.until_ms)
        )


async def read_records(
    kafka: KafkaSettings, topic: str, progress: Callable[[int, int], None] = lambda done, total: None
) -> AsyncIterator["ConsumerRecord[bytes | None, bytes | None]"]:
    """The committed records a topic holds now; what is written meanwhile is left out.

    `progress` is told how many offsets of how many were passed. Raises DeadLetterToolError, KafkaError, TimeoutError.
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
    async for record in read_records(kafka, topic, progress):
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
