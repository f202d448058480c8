"""Scoring with a clock and a device that the test holds: no Kafka, no model."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import numpy as np
import pytest
from support.batching import cost_model
from support.messages import RecordingOwner, message
from support.policies import compiled_policy

from model.prompt import EncodedText
from schemas.records import DeadLetterReason
from worker.batching.batcher import Batcher
from worker.content.dead_letters import DeadLetters
from worker.content.enrichment import Enrichment
from worker.device.thread import Bisected, TaskLogits
from worker.errors import DeviceError
from worker.health.conditions import Health
from worker.in_flight.duplicates import Duplicates
from worker.in_flight.message import Message
from worker.in_flight.record_limits import RecordLimits
from worker.stream.recorder import CONDITIONS, Recorder
from worker.stream.scoring import Scoring
from worker.telemetry.metrics import Metrics
from worker.telemetry.tracing import Tracing

BILLING: TaskLogits = [np.array([2.0, 0.0], np.float32)]
FAILS = RuntimeError("this text alone")


class HeldDevice:
    """Takes batches at once and answers when it is told to."""

    def __init__(self) -> None:
        self.batches: list[Sequence[EncodedText]] = []
        self._answers: asyncio.Queue[Bisected[TaskLogits] | Exception] = asyncio.Queue()

    async def score(self, texts: Sequence[EncodedText], predicted_seconds: float) -> Bisected[TaskLogits]:
        self.batches.append(texts)
        answer = await self._answers.get()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def answer(self, *outcomes: TaskLogits | Exception, out_of_memory: bool = False) -> None:
        failed_passes = sum(isinstance(outcome, Exception) for outcome in outcomes)
        self._answers.put_nowait(Bisected(list(outcomes), failed_passes, out_of_memory))

    def breaks(self, error: Exception) -> None:
        self._answers.put_nowait(error)


class Bench:
    """One scoring stage that runs, and what its tests look at."""

    def __init__(self) -> None:
        self.now = 0.0
        self.device = HeldDevice()
        self.metrics = Metrics()
        self.metrics.tenants_changed(removed=[], versions={"shop": "v1"}, count=1)
        self.scoring = Scoring(
            batcher=Batcher(
                cost_model(),
                max_batch_tokens=1000,
                drops_late=lambda message: message.policy.policy.on_late != "score",
            ),
            duplicates=Duplicates(100),
            score=self.device.score,
            enrichment=Enrichment("out", "digest", DeadLetters("dead", 10**6), RecordLimits()),
            recorder=Recorder(self.metrics, Tracing(None), Health(CONDITIONS), max_silence_seconds=10),
            clock=lambda: self.now,
        )

    def add(self, *messages: Message) -> None:
        self.scoring.add(messages)

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0.001)

    async def on_device(self, batches: int = 1) -> None:
        await self.until(lambda: len(self.device.batches) == batches)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    running = asyncio.create_task(bench.scoring.run())
    yield bench
    running.cancel()
    await asyncio.wait({running})


@pytest.fixture
def owner() -> RecordingOwner:
    return RecordingOwner()


async def test_each_message_of_a_batch_is_concluded_at_its_own_owner(bench: Bench):
    first, second = RecordingOwner(), RecordingOwner()
    bench.add(message(first, 0), message(second, 1), message(first, 2))
    await bench.on_device()
    bench.device.answer(BILLING, BILLING, BILLING)
    await bench.until(lambda: len(first.results) + len(second.results) == 3)
    assert (first.offsets, second.offsets) == ([0, 2], [1])


async def test_the_device_gets_its_next_batch_while_nothing_of_the_last_one_is_concluded_yet(
    bench: Bench, owner: RecordingOwner
):
    bench.add(message(owner, 0, token_count=900), message(owner, 1, token_count=900))
    await bench.on_device(1)
    assert (len(bench.device.batches[0]), bench.scoring.batcher.queued_messages) == (1, 1)
    bench.device.answer(BILLING)
    await bench.on_device(2)
    bench.device.answer(BILLING)
    await bench.until(lambda: owner.offsets == [0, 1])


async def test_a_message_knows_its_batch_and_when_it_was_bound_and_scored(bench: Bench, owner: RecordingOwner):
    bench.now = 1.0
    bench.add(first := message(owner, 0, token_count=30), message(owner, 1, token_count=20))
    await bench.on_device()
    bench.now = 1.5
    bench.device.answer(BILLING, BILLING)
    await bench.until(lambda: len(owner.results) == 2)
    assert (first.bound_at, first.scored_at) == (1.0, 1.5)
    assert (first.batch_messages, first.batch_tokens) == (2, 50)


async def test_equal_texts_on_their_way_are_scored_once_and_share_the_batch(bench: Bench, owner: RecordingOwner):
    bench.add(message(owner, 0, "same"), second := message(owner, 1, "same"), message(owner, 2, "other"))
    await bench.on_device()
    assert len(bench.device.batches[0]) == 2
    bench.device.answer(BILLING, BILLING)
    await bench.until(lambda: len(owner.results) == 3)
    assert second.batch_messages == 2
    assert bench.metrics.registry.get_sample_value("gliclass_messages_duplicate_total", {"tenant": "shop"}) == 1


async def test_a_text_that_was_just_scored_needs_no_device(bench: Bench, owner: RecordingOwner):
    bench.add(message(owner, 0, "same"))
    await bench.on_device()
    bench.device.answer(BILLING)
    await bench.until(lambda: owner.offsets == [0])
    bench.add(message(owner, 1, "same"))
    assert owner.offsets == [0, 1]
    assert owner.results[0].outgoing[0].value != owner.results[1].outgoing[0].value, "each names its own record"


async def test_a_message_that_fails_alone_is_a_dead_letter_and_its_equals_are_scored_themselves(
    bench: Bench, owner: RecordingOwner
):
    bench.add(message(owner, 0, "same"), message(owner, 1, "same"), message(owner, 2, "fine"))
    await bench.on_device(1)
    bench.device.answer(FAILS, BILLING)
    await bench.on_device(2)
    assert len(bench.device.batches[1]) == 1
    bench.device.answer(BILLING)
    await bench.until(lambda: len(owner.results) == 3)
    reasons = {result.offset: result.dead_letter_reason for result in owner.results}
    assert reasons == {0: DeadLetterReason.MODEL_ERROR, 1: None, 2: None}


async def test_a_late_message_that_is_not_to_be_scored_is_concluded_and_its_equals_try_again(bench: Bench):
    strict = compiled_policy(
        "tenants: {shop: {on_late: dead_letter, tasks: {queue: {mode: single, labels: [billing, shipping]}}}}"
    )
    late, patient = RecordingOwner(), RecordingOwner()
    bench.now = 50.0
    bench.add(
        message(late, 0, "same", deadline=1.0, policy=strict), message(patient, 1, "same", deadline=90.0, policy=strict)
    )
    await bench.on_device()
    assert [result.dead_letter_reason for result in late.results] == [DeadLetterReason.LATE]
    bench.device.answer(BILLING)
    await bench.until(lambda: patient.offsets == [1])
    assert patient.results[0].dead_letter_reason is None


async def test_out_of_memory_lowers_the_token_cap_to_half_of_that_batch(bench: Bench, owner: RecordingOwner):
    bench.add(message(owner, 0, token_count=300), message(owner, 1, token_count=300))
    await bench.on_device()
    bench.device.answer(BILLING, BILLING, out_of_memory=True)
    await bench.until(lambda: len(owner.results) == 2)
    assert bench.scoring.batcher.max_batch_tokens == 300


async def test_what_a_bisected_batch_took_teaches_the_cost_model_nothing(bench: Bench, owner: RecordingOwner):
    def predicted() -> float:
        return bench.scoring.batcher.state(0.0).predicted_to_actual

    before = predicted()
    bench.add(message(owner, 0), message(owner, 1))
    await bench.on_device(1)
    bench.now = 60.0
    bench.device.answer(FAILS, BILLING)
    await bench.until(lambda: len(owner.results) == 2)
    assert predicted() == before
    bench.add(message(owner, 2))
    await bench.on_device(2)
    bench.now = 120.0
    bench.device.answer(BILLING)
    await bench.until(lambda: len(owner.results) == 3)
    assert predicted() != before


async def test_a_message_whose_owner_has_gone_is_not_even_queued(bench: Bench, owner: RecordingOwner):
    owner.may_conclude = False
    bench.add(message(owner, 0))
    assert bench.scoring.batcher.queued_messages == 0


async def test_what_waits_for_an_owner_that_has_gone_since_is_not_scored_for_it(bench: Bench):
    gone, there = RecordingOwner(), RecordingOwner()
    bench.add(message(there, 0, "same"), message(gone, 1, "same"))
    await bench.on_device(1)
    gone.may_conclude = False
    bench.device.answer(FAILS)
    await bench.until(lambda: there.offsets == [0])
    assert (gone.results, bench.scoring.batcher.queued_messages) == ([], 0)


async def test_a_drain_gives_back_what_waits_and_leaves_what_is_on_the_device(bench: Bench, owner: RecordingOwner):
    bench.add(message(owner, 0))
    await bench.on_device()
    bench.add(message(owner, 1), message(owner, 2))
    assert bench.scoring.give_back([owner]) == 2
    assert [each.offset for each in owner.given_back] == [1, 2]
    bench.device.answer(BILLING)
    await bench.until(lambda: owner.offsets == [0])
    assert bench.scoring.batcher.queued_messages == 0


async def test_a_drain_gives_back_the_equals_of_what_waits_and_keeps_those_of_other_owners(bench: Bench):
    leaving, staying = RecordingOwner(), RecordingOwner()
    bench.add(blocker := message(staying, 0))
    await bench.on_device(1)
    bench.add(message(leaving, 1, "same"), message(leaving, 2, "same"), message(staying, 3, "same"))
    assert bench.scoring.give_back([leaving]) == 1
    assert [each.offset for each in leaving.given_back] == [1, 2]
    bench.device.answer(BILLING)
    await bench.on_device(2)
    bench.device.answer(BILLING)
    await bench.until(lambda: staying.offsets == [blocker.offset, 3])


async def test_a_broken_device_ends_the_stage_with_its_reason():
    bench, owner = Bench(), RecordingOwner()
    running = asyncio.create_task(bench.scoring.run())
    bench.add(message(owner, 0))
    await bench.on_device()
    bench.device.breaks(DeviceError("the accelerator is gone"))
    with pytest.raises(BaseExceptionGroup) as ended:
        await running
    assert ended.group_contains(DeviceError, match="the accelerator is gone")
    assert owner.results == []


async def test_a_large_batch_is_concluded_whole_and_in_order(bench: Bench, owner: RecordingOwner):
    bench.add(*(message(owner, offset, token_count=2) for offset in range(300)))
    await bench.on_device()
    bench.device.answer(*[BILLING] * 300)
    await bench.until(lambda: len(owner.results) == 300)
    assert owner.offsets == list(range(300))
