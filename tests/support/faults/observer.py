"""Watches a run from outside: outputs as they appear, and the group's committed offsets every few milliseconds."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from support.faults.history import Input, Output, Partition, Sample, Source, resumed_at
from support.faults.oracle import KEY_HEADER, SEQUENCE_HEADER, UUID_HEADER
from support.kafka import admin_client

SAMPLE_SECONDS = 0.04
RETRY_SECONDS = 0.2
REQUEST_TIMEOUT_MS = 3_000
LONGEST_CLOCK_SKEW_SECONDS = 5.0


class Observer:
    """What can be seen of a run while it lasts. `first_out`: when each input's first output was in the log."""

    def __init__(self, bootstrap_servers: str, topics: Sequence[str], group: str) -> None:
        self.first_out: dict[Source, float] = {}
        self.samples: list[Sample] = []
        self.sample_count = 0
        self._servers = bootstrap_servers
        self._topics = topics
        self._group = group

    async def read_outputs(self) -> None:
        """Follow the output topics, committed records only, until cancelled."""
        positions: dict[TopicPartition, int] = {}
        while True:
            try:
                await self._follow(positions)
            except KafkaError:  # a topic that was deleted, a cluster without brokers: what was seen stays seen
                await asyncio.sleep(RETRY_SECONDS)

    async def _follow(self, positions: dict[TopicPartition, int]) -> None:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._servers,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            request_timeout_ms=REQUEST_TIMEOUT_MS,
            metadata_max_age_ms=1_000,
        )
        try:
            await consumer.start()
            async with admin_client(self._servers) as admin:
                described = await admin.describe_topics(list(self._topics))
            consumer.assign([TopicPartition(t["topic"], p["partition"]) for t in described for p in t["partitions"]])
            for partition in consumer.assignment():
                consumer.seek(partition, positions.get(partition, 0))
            while True:
                for partition, records in (await consumer.getmany(timeout_ms=50)).items():
                    for record in records:
                        output = parse_output(record)
                        self.first_out.setdefault(output.source, output.appended_at)
                        positions[partition] = record.offset + 1
        finally:
            await consumer.stop()

    async def sample_offsets(self) -> None:
        """Ask for the group's offsets again and again, until cancelled; keeps a sample when one has moved."""
        while True:
            try:
                async with admin_client(self._servers, request_timeout_ms=REQUEST_TIMEOUT_MS) as admin:
                    while True:
                        await self._sample(admin)
                        await asyncio.sleep(SAMPLE_SECONDS)
            except (KafkaError, TimeoutError):  # no coordinator just now
                await asyncio.sleep(RETRY_SECONDS)

    async def _sample(self, admin: Any) -> None:
        found = await admin.list_consumer_group_offsets(self._group)
        offsets = {(tp.topic, tp.partition): each.offset for tp, each in found.items() if each.offset >= 0}
        self.sample_count += 1
        if offsets and (not self.samples or self.samples[-1].offsets != offsets):
            self.samples.append(Sample(time.time(), offsets))

    def committed(self, topic: str) -> dict[int, int]:
        """The newest committed offset seen of each partition of a topic."""
        newest = self.samples[-1].offsets if self.samples else {}
        return {partition: offset for (name, partition), offset in newest.items() if name == topic}

    def forget_first_life(self) -> None:
        """Of a topic that was made anew: drop, per partition, what was sampled before its offset first fell."""
        fell_at: dict[Partition, int] = {}
        last: dict[Partition, int] = {}
        for number, sample in enumerate(self.samples):
            for partition, offset in sample.offsets.items():
                if offset < last.get(partition, 0):
                    fell_at.setdefault(partition, number)
                last[partition] = offset
        self.samples[:] = [
            Sample(
                sample.at, {each: offset for each, offset in sample.offsets.items() if number >= fell_at.get(each, 0)}
            )
            for number, sample in enumerate(self.samples)
        ]

    def resumed_at(self, since: float, inputs: list[Input], partitions: Sequence[tuple[str, int]]) -> float | None:
        """When every partition had brought out something written after `since` (Unix seconds); None: not yet."""
        recent: list[Input] = []
        for each in reversed(inputs):  # in the order of acknowledgement, nearly that of writing
            if each.written_at < since - LONGEST_CLOCK_SKEW_SECONDS:
                break
            recent.append(each)
        return resumed_at(since, recent, self.first_out, partitions)


def parse_input(record: "ConsumerRecord[Any, Any]") -> Input:
    """An oracle's record as it lies in the input topic."""
    headers = {name: value.decode() for name, value in record.headers}
    source = (record.topic, record.partition, record.offset)
    return Input(
        source, headers[KEY_HEADER], int(headers[SEQUENCE_HEADER]), headers[UUID_HEADER], record.timestamp / 1000
    )


def parse_output(record: "ConsumerRecord[Any, Any]") -> Output:
    """An enriched record or a dead letter, as the checker wants it."""
    headers = {name: (value or b"").decode() for name, value in record.headers}
    if "gliclass-reason" in headers:
        topic, partition, offset = (headers[f"gliclass-source-{part}"] for part in ("topic", "partition", "offset"))
        source, content = (topic, int(partition), int(offset)), f"dead letter: {headers['gliclass-reason']}"
    else:
        value = orjson.loads(record.value or b"")
        where = value["source"]
        source = (where["topic"], where["partition"], where["offset"])
        content = orjson.dumps(
            [value["record_id"], value["policy_version"], value["model_digest"], decisions(value["tasks"])]
        ).decode()
    return Output(
        source,
        headers[UUID_HEADER],
        (record.topic, record.partition, record.offset),
        record.timestamp / 1000,
        content,
    )


def decisions(tasks: dict[str, Any]) -> dict[str, list[str]]:
    """The labels chosen per task; scores are left out, as kernels may round them otherwise in another batch."""
    return {name: sorted(scored["label"] for scored in task["labels"]) for name, task in sorted(tasks.items())}
