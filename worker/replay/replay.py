"""Sends dead letters to their input topic again, each once."""

import asyncio
import time
from collections.abc import Callable
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
from worker.replay.letters import DeadLetter, Filter
from worker.replay.reading import read_dead_letters, read_records, refuse_missing
from worker.replay.topic_times import TopicTimes, read_topic_times

REPLAYED_SUFFIX = "-replayed"
LARGEST_REQUEST_BYTES = 64 * 1024 * 1024
LARGEST_TRANSACTION_RECORDS = 200
TOPIC_ALREADY_EXISTS = 36


@dataclass(slots=True)
class ReplayCounts:
    """What a replay did; of `skipped`, how many for which reason.

    `again`: of those that had been replayed before and became dead letters once more, how many of which reason.
    `most_replays`: of the record that was replayed most often, this time included. `dated_now`: how many did not keep
    their timestamp.
    """

    replayed: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    again: dict[str, int] = field(default_factory=dict)
    most_replays: int = 0
    dated_now: int = 0

    def skip(self, reason: str) -> None:
        """Count one that was left where it is."""
        self.skipped[reason] = self.skipped.get(reason, 0) + 1

    def sent(self, replayed: "Replayed") -> None:
        """Count one that was sent."""
        letter = replayed.letter
        self.replayed += 1
        self.most_replays = max(self.most_replays, letter.replays + 1)
        self.dated_now += replayed.timestamp_ms is None
        if letter.replays:
            self.again[letter.reason] = self.again.get(letter.reason, 0) + 1


@dataclass(frozen=True, slots=True)
class Replayed:
    """A dead letter as the record that is sent; None: the key chooses the partition, the timestamp is that of now."""

    letter: DeadLetter
    outgoing: Outgoing
    partition: int | None
    timestamp_ms: int | None


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
        self._times: dict[str, TopicTimes] = {}

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
        waiting: list[Replayed] = []
        missing = set(wanted.places)
        async for letter in read_dead_letters(self._kafka, self._dead_letter_topic, wanted, progress):
            missing.discard(letter.place)
            if b"%d-%d" % letter.place in marked and not self._force:
                counts.skip("replayed before")
                continue
            reason = await self._unsendable(letter)
            if reason is not None:
                counts.skip(reason)
                continue
            waiting.append(await self._replayed(letter))
            if len(waiting) == largest:
                await self._send(producer, waiting, counts)
                waiting = []
        await self._send(producer, waiting, counts)
        for partition, offset in sorted(missing):
            counts.skip(f"no dead letter {self._dead_letter_topic}-{partition}-{offset} of what was asked for")
        return counts

    async def _send(self, producer: AIOKafkaProducer | None, waiting: list[Replayed], counts: ReplayCounts) -> None:
        if producer is not None and waiting:
            now_ms = int(time.time() * 1000)
            await producer.begin_transaction()
            acknowledgements: list[asyncio.Future[Any]] = []
            for each in waiting:
                acknowledgements.append(await _add(producer, each))
                mark = orjson.dumps({"to": each.outgoing.topic, "at_ms": now_ms})
                place = b"%d-%d" % each.letter.place
                acknowledgements.append(await producer.send(self._marks_topic, key=place, value=mark))
            # aiokafka commits a transaction whose sends failed, so each acknowledgement is looked at first.
            outcomes = await asyncio.gather(*acknowledgements, return_exceptions=True)
            failure = next((outcome for outcome in outcomes if isinstance(outcome, BaseException)), None)
            if failure is not None:
                raise failure
            await producer.commit_transaction()
            if self._records_per_second is not None:
                await asyncio.sleep(len(waiting) / self._records_per_second)
        for each in waiting:
            counts.sent(each)

    async def _unsendable(self, letter: DeadLetter) -> str | None:
        if records.HEADER_REASON not in letter.headers:
            return "not a dead letter of this worker"
        if records.HEADER_VALUE_OMITTED_BYTES in letter.headers:
            return "its value was too large to be kept: look it up at its source"
        try:
            letter.source_headers()
        except (ValueError, TypeError):
            return f"its header {records.HEADER_REPLACED_HEADERS} cannot be read"
        topic = self._target(letter)
        if topic in (self._dead_letter_topic, self._marks_topic):
            return "it would go to the dead letters themselves"
        if (await self._topic(topic)).error_code != NO_ERROR:
            return f"topic {topic} is missing or denied"
        largest = self._topics[topic].max_message_bytes or BROKER_DEFAULT_MAX_MESSAGE_BYTES
        if replayed(letter, topic, timestamp_kept=False, now_ms=0).wire_bytes > largest:
            return f"larger than topic {topic} allows"
        return None

    async def _replayed(self, letter: DeadLetter) -> Replayed:
        now_ms, topic = int(time.time() * 1000), self._target(letter)
        if topic not in self._times:
            self._times[topic] = await read_topic_times(self._kafka, topic)
        own = letter.source_timestamp_ms
        kept = own is not None and (own < 0 or self._times[topic].keeps(own, now_ms))
        outgoing = replayed(letter, topic, timestamp_kept=kept, now_ms=now_ms)
        return Replayed(letter, outgoing, await self._partition(letter, topic), own if kept else None)

    def _target(self, letter: DeadLetter) -> str:
        return self._to_topic or letter.headers.get(records.HEADER_SOURCE_TOPIC, "")

    async def _topic(self, name: str) -> Topic:
        if name not in self._topics:
            options = client_options(self._kafka)
            self._topics |= await describe_topics(options, [name], self._kafka.request_timeout_seconds)
        return self._topics[name]

    async def _partition(self, letter: DeadLetter, target: str) -> int | None:
        """The one it came from, for its producer may have chosen it by a rule of its own; of another topic only if that
        has as many of them.
        """
        number = letter.headers.get(records.HEADER_SOURCE_PARTITION, "")
        source = letter.headers.get(records.HEADER_SOURCE_TOPIC, "")
        partitions = self._topics[target].partitions
        if not number.isdecimal() or int(number) >= partitions or not source:
            return None
        return int(number) if source == target or (await self._topic(source)).partitions == partitions else None

    async def _marked(self) -> set[bytes]:
        timeout_seconds = self._kafka.request_timeout_seconds
        described = await describe_topics(client_options(self._kafka), [self._marks_topic], timeout_seconds)
        if described[self._marks_topic].missing:
            return set()
        return {mark.key or b"" async for mark in read_records(self._kafka, self._marks_topic)}

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


def replayed(letter: DeadLetter, topic: str, *, timestamp_kept: bool, now_ms: int) -> Outgoing:
    """The input record as it was, and behind its headers those that say that it was replayed."""
    ours = {
        records.HEADER_REPLAYED_FROM: letter.id,
        records.HEADER_REPLAYED_AT_MS: str(now_ms),
        records.HEADER_REPLAYS: str(letter.replays + 1),
    }
    if not timestamp_kept and letter.source_timestamp_ms is not None:
        ours[records.HEADER_ORIGINAL_TIMESTAMP_MS] = str(letter.source_timestamp_ms)
    value = None if records.HEADER_VALUE_NULL in letter.headers else letter.record.value
    marks = [(name, written.encode()) for name, written in ours.items()]
    return Outgoing(topic, letter.record.key, value, [*letter.source_headers(), *marks])


async def _add(producer: AIOKafkaProducer, sent: Replayed) -> "asyncio.Future[Any]":
    outgoing = sent.outgoing
    if outgoing.key is None and outgoing.value is None:
        # The client sends such a record only as a batch of its own; other clients write them.
        batch = producer.create_batch()
        batch.append(key=None, value=None, timestamp=sent.timestamp_ms, headers=outgoing.headers)
        return await producer.send_batch(batch, outgoing.topic, partition=sent.partition or 0)
    return await producer.send(
        outgoing.topic,
        key=outgoing.key,
        value=outgoing.value,
        partition=sent.partition,
        timestamp_ms=sent.timestamp_ms,
        headers=outgoing.headers,
    )
