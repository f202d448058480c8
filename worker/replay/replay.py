"""Sends dead letters to their input topic again, each once."""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import ProducerFenced, for_code

from schemas import records
from schemas.kafka_settings import KafkaSettings
from worker.errors import DeadLetterToolError
from worker.in_flight.outgoing import Outgoing
from worker.in_flight.record_limits import BROKER_DEFAULT_MAX_MESSAGE_BYTES
from worker.kafka.client_options import client_options, producer_options
from worker.kafka.producer import stop_producer
from worker.kafka.topics import NO_ERROR, Topic, describe_topics
from worker.replay.letters import (
    DEAD_LETTER_HEADERS,
    HEADER_REPLAYED_FROM,
    DeadLetter,
    Filter,
    read_dead_letters,
    read_records,
    refuse_missing,
)

REPLAYED_SUFFIX = "-replayed"
LARGEST_REQUEST_BYTES = 64 * 1024 * 1024
LARGEST_TRANSACTION_RECORDS = 200
TOPIC_ALREADY_EXISTS = 36


@dataclass(slots=True)
class ReplayCounts:
    """What a replay did; of `skipped`, how many for which reason."""

    replayed: int = 0
    skipped: dict[str, int] = field(default_factory=dict)

    def skip(self, reason: str) -> None:
        """Count one that was left where it is."""
        self.skipped[reason] = self.skipped.get(reason, 0) + 1


class Replay:
    """Sends dead letters to their input topic, or to another one, each once.

    A replayed record and its mark are written in one transaction: the record cannot be there without its mark. Marks
    are kept in a compacted topic beside the dead letters, since a dead letter cannot be changed and the offsets of a
    group could only say "all up to here", which a replay by filter is not. The transactional id is the dead-letter
    topic's, so a second replay begun meanwhile fences the first before it reads the marks.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        dead_letter_topic: str,
        *,
        to_topic: str | None = None,
        force: bool = False,
        dry_run: bool = False,
        records_per_second: float | None = None,
    ) -> None:
        self._kafka = kafka
        self._dead_letter_topic = dead_letter_topic
        self._marks_topic = dead_letter_topic + REPLAYED_SUFFIX
        self._to_topic = to_topic
        self._force = force
        self._dry_run = dry_run
        self._records_per_second = records_per_second
        self._topics: dict[str, Topic] = {}

    async def run(
        self, wanted: Filter, progress: Callable[[int, int], None] = lambda done, total: None
    ) -> ReplayCounts:
        """Replay what `wanted` admits and what was not replayed before.

        Raises:
            DeadLetterToolError: another replay took over, or a topic is missing.
            KafkaError, TimeoutError: the brokers; what was counted as replayed is marked, the rest is not.
        """
        producer = None
        try:
            if not self._dry_run:
                await self._create_marks_topic()
                producer = await self._producer()
            return await self._run(producer, wanted, progress)
        except ProducerFenced:
            raise DeadLetterToolError(
                "another replay of this topic has begun and goes on in place of this one"
            ) from None
        finally:
            if producer is not None:
                await stop_producer(producer, self._kafka.request_timeout_seconds)

    async def _run(
        self, producer: AIOKafkaProducer | None, wanted: Filter, progress: Callable[[int, int], None]
    ) -> ReplayCounts:
        counts = ReplayCounts()
        marked = await self._marked()
        largest = LARGEST_TRANSACTION_RECORDS
        if self._records_per_second is not None:
            largest = max(1, min(largest, int(self._records_per_second)))
        waiting: list[tuple[DeadLetter, Outgoing, int | None]] = []
        async for letter in read_dead_letters(self._kafka, self._dead_letter_topic, wanted, progress):
            if letter.id in marked and not self._force:
                counts.skip("replayed before")
                continue
            target = self._to_topic or letter.headers.get(records.HEADER_SOURCE_TOPIC, "")
            outgoing = replayed(letter, target)
            reason = await self._unsendable(letter, outgoing)
            if reason is not None:
                counts.skip(reason)
                continue
            waiting.append((letter, outgoing, self._partition(letter, target)))
            if len(waiting) == largest:
                await self._send(producer, waiting, counts)
                waiting = []
        await self._send(producer, waiting, counts)
        return counts

    async def _send(
        self,
        producer: AIOKafkaProducer | None,
        waiting: "list[tuple[DeadLetter, Outgoing, int | None]]",
        counts: ReplayCounts,
    ) -> None:
        if producer is not None and waiting:
            now_ms = int(time.time() * 1000)
            await producer.begin_transaction()
            acknowledgements: list[asyncio.Future[Any]] = []
            for letter, outgoing, partition in waiting:
                acknowledgements.append(
                    await producer.send(
                        outgoing.topic,
                        key=outgoing.key,
                        value=outgoing.value,
                        headers=outgoing.headers,
                        partition=partition,
                    )
                )
                mark = orjson.dumps({"to": outgoing.topic, "at_ms": now_ms})
                acknowledgements.append(await producer.send(self._marks_topic, key=letter.id.encode(), value=mark))
            # aiokafka commits a transaction whose sends failed, so each acknowledgement is looked at first.
            outcomes = await asyncio.gather(*acknowledgements, return_exceptions=True)
            failure = next((outcome for outcome in outcomes if isinstance(outcome, BaseException)), None)
            if failure is not None:
                raise failure
            await producer.commit_transaction()
            if self._records_per_second is not None:
                await asyncio.sleep(len(waiting) / self._records_per_second)
        counts.replayed += len(waiting)

    async def _unsendable(self, letter: DeadLetter, outgoing: Outgoing) -> str | None:
        if records.HEADER_REASON not in letter.headers:
            return "not a dead letter of this worker"
        if records.HEADER_VALUE_OMITTED_BYTES in letter.headers:
            return "its value was too large to be kept: look it up at its source"
        if records.HEADER_VALUE_NULL in letter.headers:
            return "its source had neither key nor value"
        topic = outgoing.topic
        if topic == self._dead_letter_topic:
            return "it would go to the dead-letter topic"
        if topic not in self._topics:
            options = client_options(self._kafka)
            self._topics |= await describe_topics(options, [topic], self._kafka.request_timeout_seconds)
        if self._topics[topic].error_code != NO_ERROR:
            return f"topic {topic} is missing or denied"
        if outgoing.wire_bytes > (self._topics[topic].max_message_bytes or BROKER_DEFAULT_MAX_MESSAGE_BYTES):
            return f"larger than topic {topic} allows"
        return None

    def _partition(self, letter: DeadLetter, target: str) -> int | None:
        """Back to the partition it came from: another producer may have chosen it by a rule of its own."""
        number = letter.headers.get(records.HEADER_SOURCE_PARTITION, "")
        came_from = letter.headers.get(records.HEADER_SOURCE_TOPIC) == target and number.isdecimal()
        return int(number) if came_from and int(number) < self._topics[target].partitions else None

    async def _marked(self) -> set[str]:
        timeout_seconds = self._kafka.request_timeout_seconds
        described = await describe_topics(client_options(self._kafka), [self._marks_topic], timeout_seconds)
        if described[self._marks_topic].missing:
            return set()
        return {(mark.key or b"").decode() async for mark in read_records(self._kafka, self._marks_topic)}

    async def _producer(self) -> AIOKafkaProducer:
        options = producer_options(self._kafka, record_limits=[LARGEST_REQUEST_BYTES])
        producer = AIOKafkaProducer(
            **options,
            transactional_id=f"gliclass-replay-{self._dead_letter_topic}",
            transaction_timeout_ms=60_000,
        )
        try:
            async with asyncio.timeout(3 * self._kafka.request_timeout_seconds):
                await producer.start()
        except BaseException:
            await stop_producer(producer, self._kafka.request_timeout_seconds)
            raise
        return producer

    async def _create_marks_topic(self) -> None:
        names = [self._dead_letter_topic, self._marks_topic]
        described = await describe_topics(client_options(self._kafka), names, self._kafka.request_timeout_seconds)
        refuse_missing(described[self._dead_letter_topic])
        if not described[self._marks_topic].missing:
            return
        admin = AIOKafkaAdminClient(**client_options(self._kafka))
        try:
            await admin.start()
            replicas = len((await admin.describe_topics(names[:1]))[0]["partitions"][0]["replicas"])
            topic = NewTopic(self._marks_topic, 1, replicas, topic_configs={"cleanup.policy": "compact"})
            response = await admin.create_topics([topic])
        finally:
            await admin.close()
        for error in response.to_object()["topic_errors"]:
            if error["error_code"] not in (NO_ERROR, TOPIC_ALREADY_EXISTS):
                reason = for_code(error["error_code"]).__name__
                raise DeadLetterToolError(f"topic {self._marks_topic} for the marks cannot be created: {reason}")


def replayed(letter: DeadLetter, topic: str) -> Outgoing:
    """The input record as it was, with one header that says which dead letter it comes from."""
    kept: Iterable[tuple[str, bytes | None]] = (
        pair for pair in letter.record.headers if pair[0] not in DEAD_LETTER_HEADERS
    )
    origin = f"{letter.record.topic}-{letter.id}".encode()
    return Outgoing(topic, letter.record.key, letter.record.value, [*kept, (HEADER_REPLAYED_FROM, origin)])
