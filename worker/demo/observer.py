"""Reads everything that the worker publishes, from the first record on, and keeps the tally."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord

from schemas.records import (
    HEADER_BATCH_MESSAGES,
    HEADER_BUDGET_MS,
    HEADER_ERROR,
    HEADER_LATE,
    HEADER_LATENCY_MS,
    HEADER_REASON,
    HEADER_SOURCE_OFFSET,
    HEADER_SOURCE_PARTITION,
    HEADER_SOURCE_TOPIC,
)
from worker.demo.tally import Classified, Tally
from worker.demo.topics import Topics
from worker.errors import WorkerError

_POLL_MS = 100
_CLOSE_SECONDS = 10.0


class UnexpectedRecordError(WorkerError):
    """The worker published what it must not."""


class Observer:
    """Follows output, dead-letter and route topics without a consumer group; `clock` is the tally's time."""

    def __init__(self, bootstrap_servers: str, topics: Topics, tally: Tally, clock: Callable[[], float]) -> None:
        self._topics = topics
        self._tally = tally
        self._clock = clock
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap_servers,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
        )
        self._partitions: list[TopicPartition] = []
        self.warmed_up = 0
        """Classified messages of the warm-up, which are in no other figure."""

    async def start(self) -> None:
        """Begin at the first record of every partition."""
        await self._consumer.start()
        topics = (self._topics.output, self._topics.dead_letters, *self._topics.routes)
        self._partitions = [TopicPartition(topic, p) for topic in topics for p in range(self._topics.partitions)]
        self._consumer.assign(self._partitions)

    async def follow(self, stop: asyncio.Event) -> None:
        """Keep the tally until `stop` is set."""
        while not stop.is_set():
            await self.poll()

    async def catch_up(self, timeout_seconds: float) -> None:
        """Read to the topics' present ends, so that a record published twice at the last moment is seen, too.

        Raises TimeoutError when that takes longer.
        """
        deadline = time.monotonic() + timeout_seconds
        ends = await self._consumer.end_offsets(self._partitions)
        while any([await self._consumer.position(partition) < end for partition, end in ends.items()]):
            if time.monotonic() > deadline:
                raise TimeoutError(f"the output topics were not read to their ends within {timeout_seconds:.0f} s")
            await self.poll()

    async def poll(self) -> None:
        """Count what has come, waiting for it a tenth of a second."""
        for records in (await self._consumer.getmany(timeout_ms=_POLL_MS)).values():
            for record in records:
                self._count(record)

    async def stop(self) -> None:
        await asyncio.wait_for(self._consumer.stop(), _CLOSE_SECONDS)

    def _count(self, record: ConsumerRecord[bytes, bytes]) -> None:
        headers = {name: value.decode() for name, value in record.headers if value is not None}
        if record.topic == self._topics.dead_letters:
            if headers[HEADER_SOURCE_TOPIC] != self._topics.input:
                raise UnexpectedRecordError(f"a warm-up message became a dead letter: {headers[HEADER_ERROR]}")
            source = int(headers[HEADER_SOURCE_PARTITION]), int(headers[HEADER_SOURCE_OFFSET])
            self._tally.record_dead_lettered(source, headers[HEADER_REASON], self._clock())
            return
        assert record.value is not None, "an enriched record has a value"
        enriched = classified(record.value, headers)
        if enriched.topic != self._topics.input:
            if record.topic == self._topics.output:
                self.warmed_up += 1
        elif record.topic == self._topics.output:
            self._tally.record_classified(enriched, self._clock())
        else:
            self._tally.record_routed(record.topic, enriched.source)


def classified(value: bytes, headers: Mapping[str, str]) -> Classified:
    """What the demo shows of one enriched record."""
    enriched: dict[str, Any] = orjson.loads(value)
    payload: dict[str, Any] = enriched.get("payload") or {}
    return Classified(
        topic=enriched["source"]["topic"],
        source=(enriched["source"]["partition"], enriched["source"]["offset"]),
        tenant=enriched["tenant"],
        latency_ms=float(headers[HEADER_LATENCY_MS]),
        budget_ms=float(headers[HEADER_BUDGET_MS]),
        late=headers[HEADER_LATE] == "1",
        batch_messages=int(headers[HEADER_BATCH_MESSAGES]),
        labels=tuple(
            (task, chosen["label"], chosen["score"])
            for task, result in enriched["tasks"].items()
            for chosen in result["labels"]
        ),
        text=" ".join(payload[name] for name in ("subject", "body", "text") if name in payload),
        truncated=bool(enriched.get("truncated_tokens")),
    )
