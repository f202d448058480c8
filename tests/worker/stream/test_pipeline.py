"""The drain with every stage, a device that the test holds, and a client that never connects."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, cast

import numpy as np
import pytest
from support.batching import cost_model
from support.policies import compiled_policy
from support.publishing import ListPublisher
from support.records import consumer_record

from model.long_text import Combine
from model.prompt import EncodedText, TextPass
from schemas.settings import DeliverySettings, InputSettings, Settings
from worker.batching.batcher import Batcher
from worker.content.admission import Admission
from worker.content.codec import RecordDecoder
from worker.content.dead_letters import DeadLetters
from worker.content.enrichment import Enrichment
from worker.device.thread import Bisected, TaskLogits
from worker.health.conditions import Health
from worker.health.stopping import StopSignal
from worker.in_flight.backpressure import Backpressure, Load
from worker.in_flight.duplicates import Duplicates
from worker.in_flight.message import Result
from worker.in_flight.partition import Partition
from worker.in_flight.record_limits import RecordLimits
from worker.stream.pipeline import Pipeline
from worker.stream.recorder import CONDITIONS, Recorder
from worker.stream.scoring import Scoring
from worker.telemetry.metrics import Metrics
from worker.telemetry.tracing import Tracing

POLICY = compiled_policy("tenants: {shop: {tasks: {queue: {mode: single, labels: [billing, shipping]}}}}")
SETTINGS = Settings.model_validate(
    {
        "kafka": {"bootstrap_servers": ["nowhere:9092"], "group_id": "group"},
        "input": {"topics": ["in"]},
        "output": {"topic": "out", "dead_letter_topic": "dead"},
        "policies": {"file": "policies.yaml"},
    }
)
BILLING: TaskLogits = [np.array([2.0, 0.0], np.float32)]


class NeverConnected:
    """A Kafka client that is still looking for its brokers."""

    _client = None

    def subscribe(self, **_: object) -> None: ...

    async def start(self) -> None:
        await asyncio.Event().wait()

    async def stop(self) -> None: ...


class OneToken:
    """Makes one token of every text."""

    def encode(self, text: str, prepared: object, long_text: object) -> EncodedText:
        return EncodedText((TextPass(np.zeros(1, np.int64), ()),), (), Combine.MEAN, 1, 0)


class NoReload:
    async def run(self) -> None:
        await asyncio.Event().wait()


class Bench:
    """A pipeline that runs, and the partition it works on."""

    def __init__(self, delivery: dict[str, float]) -> None:
        settings = SETTINGS.model_copy(update={"delivery": DeliverySettings.model_validate(delivery)})
        recorder = Recorder(Metrics(), Tracing(None), Health(CONDITIONS), max_silence_seconds=60)
        dead_letters = DeadLetters("dead", 10**6)
        self.publisher = ListPublisher(commits_offsets=True)
        self.answers = asyncio.Event()
        self.batches = 0
        self.stop = StopSignal(60)
        self.pipeline = Pipeline(
            settings,
            create_consumer=cast(Any, NeverConnected),
            admission=Admission(
                RecordDecoder(InputSettings(topics=["in"]), "none"),
                lambda tenant: POLICY,
                OneToken(),
                dead_letters,
                Tracing(None),
            ),
            scoring=Scoring(
                batcher=Batcher(cost_model(), max_batch_tokens=1000),
                duplicates=Duplicates(0),
                score=self.score,
                enrichment=Enrichment("out", "digest", dead_letters, RecordLimits()),
                recorder=recorder,
            ),
            publisher=self.publisher,
            backpressure=Backpressure(Load(9, 999, 10**9), Load(5, 500, 10**8)),
            policies=cast(Any, NoReload()),
            recorder=recorder,
            stop=self.stop,
        )
        self.partition = Partition[Result]("in", 0, epoch=1, next_offset=0, in_offset_order=True)

    async def score(self, texts: Sequence[EncodedText], predicted_seconds: float) -> Bisected[TaskLogits]:
        self.batches += 1
        await self.answers.wait()
        return Bisected([BILLING] * len(texts), 0)

    async def deliver(self, *offsets: int) -> None:
        records = [consumer_record(offset=offset, key=None) for offset in offsets]
        for record in records:
            self.partition.deliver(record, 0.0)
        await self.pipeline._intake.take(self.partition, records)

    async def close(self) -> None:
        self.partition.begin_closing()
        await self.pipeline.close([self.partition])

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0.001)


@pytest.fixture
async def start() -> AsyncIterator[Callable[..., Any]]:
    async with asyncio.timeout(60):
        running: list[asyncio.Task[None]] = []

        async def started(**delivery: float) -> Bench:
            bench = Bench(delivery)
            running.append(asyncio.create_task(bench.pipeline.run()))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            bench.pipeline.open(bench.partition)
            return bench

        yield started
        for task in running:
            task.cancel()
        await asyncio.wait(running)


async def test_a_drain_waits_for_what_is_in_flight_and_writes_the_mark_last(start: Callable[..., Any]):
    bench = await start()
    await bench.deliver(0, 1)
    await bench.until(lambda: bench.batches == 1)
    closing = asyncio.create_task(bench.close())
    await asyncio.sleep(0.02)
    assert not closing.done()
    bench.answers.set()
    await closing
    assert bench.partition.tracker.watermark == 2
    assert bench.publisher.steps[-3:] == ["publish [0, 1]", "mark ''", "close in-0@1"]


async def test_a_spent_budget_gives_back_what_waits_and_publishes_what_the_device_still_brings(
    start: Callable[..., Any],
):
    bench = await start(drain_budget_seconds=2.2, publish_floor_seconds=2.0)
    await bench.deliver(0)
    await bench.until(lambda: bench.batches == 1)
    await bench.deliver(1, 2)
    await bench.until(lambda: bench.pipeline._scoring.batcher.queued_messages == 2)
    closing = asyncio.create_task(bench.close())
    await bench.until(lambda: bench.pipeline._scoring.batcher.queued_messages == 0)
    bench.answers.set()
    await closing
    assert (bench.partition.tracker.watermark, bench.partition.in_flight) == (1, 2)
    assert bench.batches == 1
    assert bench.publisher.steps[-3:] == ["publish [0]", "mark ''", "close in-0@1"]


async def test_a_publisher_that_refuses_holds_a_drain_no_longer_than_its_budget(start: Callable[..., Any]):
    bench = await start(drain_budget_seconds=1.5, publish_floor_seconds=1.0)
    await bench.deliver(0)
    await bench.until(lambda: bench.batches == 1)
    bench.publisher.refuses = True
    bench.answers.set()
    await bench.until(lambda: bench.partition.blocked)
    await bench.close()
    assert (bench.partition.tracker.watermark, bench.partition.in_flight) == (0, 1)
    assert bench.publisher.steps[-1] == "close in-0@1"
    assert not any(step.startswith("mark ''") for step in bench.publisher.steps)


async def test_records_that_arrive_while_it_drains_are_left_to_the_next_owner(start: Callable[..., Any]):
    bench = await start()
    bench.answers.set()
    await bench.close()
    await bench.deliver(0)
    assert (bench.batches, bench.partition.tracker.watermark) == (0, 0)
