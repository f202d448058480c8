import time

import pytest
from support.records import consumer_record

from model.scorer import Scorer
from schemas.policy import PolicyFile
from schemas.records import DeadLetterReason
from schemas.settings import InputSettings
from worker.batching.batcher import Batcher
from worker.batching.cost_model import CostModel, CostSample
from worker.content.admission import Admission
from worker.content.codec import RecordDecoder
from worker.content.dead_letters import DeadLetters
from worker.health.conditions import Health
from worker.in_flight.message import Message, Result
from worker.in_flight.outgoing import Outgoing
from worker.in_flight.partition import Partition
from worker.in_flight.publisher import PublishError
from worker.policies.compiled import CompileOptions, PolicyStore, compile_policies
from worker.stream.recorder import CONDITIONS, PUBLISHING, Recorder
from worker.telemetry.metrics import Metrics
from worker.telemetry.tracing import NOT_TRACED, Tracing

POLICIES = PolicyFile.model_validate(
    {"tenants": {"shop": {"latency_budget_seconds": 2.0, "tasks": {"queue": {"mode": "multi", "labels": ["a"]}}}}}
)


@pytest.fixture
def recorder() -> Recorder:
    metrics = Metrics()
    metrics.tenants_changed(removed=[], versions={"shop": "v1"}, count=1)
    return Recorder(metrics, Tracing(None), Health(CONDITIONS), max_silence_seconds=10)


def value(recorder: Recorder, name: str, **labels: str) -> float:
    return recorder.metrics.registry.get_sample_value(name, labels) or 0.0


async def admitted(scorer: Scorer) -> Message:
    store = PolicyStore(compile_policies(POLICIES, scorer, CompileOptions()))
    decoder = RecordDecoder(InputSettings(topics=["in"]), "all")
    admission = Admission(decoder, store.resolve, scorer, DeadLetters("dead", 10**6), Tracing(None))
    (message,) = await admission.admit(Partition("in", 0, epoch=1, next_offset=0), [consumer_record()])
    assert isinstance(message, Message)
    return message


def result_of(message: Message, *topics: str) -> Result:
    outgoing = [Outgoing(topic, b"k", b"{}", []) for topic in topics]
    return Result.of(message, outgoing, concluded_at=time.monotonic())


@pytest.mark.parametrize(("seconds_left", "on_time", "late"), [(1.0, 1, 0), (-1.0, 0, 1)])
async def test_a_published_message_is_on_time_or_late(
    recorder: Recorder, scorer: Scorer, seconds_left: float, on_time: int, late: int
):
    message = await admitted(scorer)
    message.deadline = time.monotonic() + seconds_left
    recorder.published([result_of(message, "out", "urgent")])
    assert value(recorder, "gliclass_messages_on_time_total", tenant="shop") == on_time
    assert value(recorder, "gliclass_messages_late_total", tenant="shop") == late
    assert value(recorder, "gliclass_records_published_total", topic="urgent") == 1
    latency = value(recorder, "gliclass_message_latency_seconds_sum", tenant="shop")
    assert latency == pytest.approx(2.0 - seconds_left, abs=0.2)


@pytest.mark.parametrize(("ahead_seconds", "counted"), [(3600.0, 1), (0.05, 0), (0.0, 0)])
async def test_messages_from_the_future_are_counted(
    recorder: Recorder, scorer: Scorer, ahead_seconds: float, counted: int
):
    message = await admitted(scorer)
    message.clock_ahead_seconds = ahead_seconds
    recorder.published([result_of(message, "out")])
    assert value(recorder, "gliclass_messages_clock_ahead_total", tenant="shop") == counted


def test_the_prediction_over_what_batches_took_is_shown(recorder: Recorder):
    cost_model = CostModel([CostSample(100, 6400, 0.01), CostSample(1000, 64000, 0.05)])
    batcher: Batcher[Message] = Batcher(cost_model, max_batch_tokens=1000)
    for _ in range(100):
        cost_model.learn(100, 6400, 2 * cost_model.predict(100, 6400) / cost_model.pace)
    recorder.batcher_state(batcher.state(0.0))
    shown = value(recorder, "gliclass_batch_predicted_to_actual_ratio")
    assert shown == cost_model.predicted_to_actual != 1.0


def test_a_dead_letter_counts_by_its_reason(recorder: Recorder):
    dead = Result(consumer_record(), [], NOT_TRACED, 0.0, dead_letter_reason=DeadLetterReason.INVALID_JSON)
    recorder.published([dead])
    assert value(recorder, "gliclass_records_dead_lettered_total", reason="invalid_json") == 1


async def test_readiness_fails_while_any_partition_cannot_publish(recorder: Recorder):
    first, second = (Partition("in", number, epoch=1, next_offset=0) for number in (0, 1))

    def unmet() -> list[str]:
        return [reason for reason in recorder.health.not_ready(time.monotonic()) if reason.startswith(PUBLISHING)]

    assert unmet() == []
    recorder.publish_failed(first, PublishError("dead-letters: gone"))
    recorder.publish_failed(second, PublishError("dead-letters: gone"))
    recorder.publish_succeeded(first)
    assert unmet() == ["publishing: dead-letters: gone"]
    recorder.partition_closed(second)
    assert unmet() == []
    assert value(recorder, "gliclass_publish_retries_total") == 2


def test_brokers_that_do_not_answer_fail_readiness_until_they_do(recorder: Recorder):
    recorder.brokers_answer(False, "TimeoutError")
    assert "brokers_answer: TimeoutError" in recorder.health.not_ready(time.monotonic())
    recorder.brokers_answer(True)
    assert not any(reason.startswith("brokers_answer") for reason in recorder.health.not_ready(time.monotonic()))


def test_a_loop_that_falls_silent_makes_the_worker_not_live(recorder: Recorder):
    recorder.watch("fetch")
    now = time.monotonic()
    assert recorder.health.not_live(now) == []
    assert recorder.health.not_live(now + 60)[0].startswith("fetch")
