import asyncio
import json
import threading
import time

import pytest
from support.records import consumer_record

from model.scorer import Scorer
from schemas.mapping import EventTimeSource, InputMapping, SkipRules
from schemas.policy import PolicyFile
from schemas.records import DeadLetterReason
from schemas.settings import InputSettings
from worker.content.admission import Admission
from worker.content.codec import RecordDecoder
from worker.content.dead_letters import DeadLetters
from worker.in_flight.message import Message, Result
from worker.in_flight.partition import Partition
from worker.policies.compiled import CompileOptions, PolicyStore, compile_policies
from worker.telemetry.tracing import Tracing

POLICIES = PolicyFile.model_validate(
    {
        "tenants": {
            "shop": {
                "latency_budget_seconds": 2.0,
                "weight": 3.0,
                "long_text": {"mode": "windows", "overlap_tokens": 8, "pool": "mean"},
                "tasks": {
                    "queue": {"mode": "single", "labels": ["billing", "shipping"]},
                    "abuse": {"mode": "multi", "labels": ["insult"]},
                },
            }
        }
    }
)


class FailingTokenizer:
    def encode(self, text, prepared, long_text):
        raise RuntimeError(f"cannot read {text}")


def admission_of(model, scorer: Scorer, mapping: InputMapping | None = None) -> Admission:
    settings = InputSettings(topics=["in"], mapping=mapping or InputMapping())
    store = PolicyStore(compile_policies(POLICIES, scorer, CompileOptions()))
    return Admission(RecordDecoder(settings, "all"), store.resolve, model, DeadLetters("dead", 10**6), Tracing(None))


@pytest.fixture
def admission(scorer: Scorer) -> Admission:
    return admission_of(scorer, scorer)


@pytest.fixture
async def partition() -> Partition:
    return Partition("in", 0, epoch=1, next_offset=0)


async def test_a_good_record_becomes_a_message_with_its_policy_and_tokens(admission: Admission, partition: Partition):
    (message,) = await admission.admit(partition, [consumer_record()])
    assert isinstance(message, Message)
    assert (message.tenant, message.weight, message.latency_budget_seconds) == ("shop", 3.0, 2.0)
    assert len(message.policy.prepared) == 2
    assert message.token_count > 0
    assert message.squared_tokens >= message.token_count


async def test_outcomes_keep_the_order_of_the_records(admission: Admission, partition: Partition):
    records = [consumer_record(offset=0), consumer_record(b"{", offset=1), consumer_record(offset=2)]
    outcomes = await admission.admit(partition, records)
    assert [outcome.offset for outcome in outcomes] == [0, 1, 2]
    assert [isinstance(outcome, Result) for outcome in outcomes] == [False, True, False]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"{", DeadLetterReason.INVALID_JSON),
        (None, DeadLetterReason.VALUE_EMPTY),
        (b'{"text": "hello", "tenant": "other"}', DeadLetterReason.TENANT_UNKNOWN),
        (b'{"tenant": "shop"}', DeadLetterReason.TEXT_MISSING),
    ],
)
async def test_a_bad_record_becomes_a_dead_letter(admission: Admission, partition: Partition, value, reason):
    (result,) = await admission.admit(partition, [consumer_record(value)])
    assert isinstance(result, Result)
    assert result.dead_letter_reason is reason


async def test_a_text_that_the_tokenizer_fails_on_is_a_dead_letter_that_does_not_quote_it(
    scorer: Scorer, partition: Partition
):
    (result,) = await admission_of(FailingTokenizer(), scorer).admit(partition, [consumer_record()])
    assert isinstance(result, Result)
    assert result.dead_letter_reason is DeadLetterReason.MODEL_ERROR
    assert dict(result.outgoing[0].headers)["gliclass-error"] == b"RuntimeError"


async def test_a_condemned_record_becomes_a_dead_letter_without_being_read(scorer: Scorer):
    record = consumer_record(b"text that nobody may tokenise", key=b"key")
    result = admission_of(FailingTokenizer(), scorer).condemn(record, "in flight in 3 crashes")
    (outgoing,) = result.outgoing
    assert result.dead_letter_reason == DeadLetterReason.CRASHED_WORKER
    assert (outgoing.topic, outgoing.key, outgoing.value) == ("dead", b"key", record.value)
    assert ("gliclass-error", b"in flight in 3 crashes") in outgoing.headers


async def test_a_long_text_is_read_as_its_policy_says(admission: Admission, partition: Partition):
    value = json.dumps({"text": "many words " * 100, "tenant": "shop"}).encode()
    (message,) = await admission.admit(partition, [consumer_record(value)])
    assert isinstance(message, Message)
    assert message.encoded.truncated_token_count == 0
    assert len(message.encoded.passes) > len(message.policy.tasks)


@pytest.mark.parametrize(
    "timestamp_ms", [-1, 0, int((time.time() + 3600) * 1000)], ids=["none", "zero", "an hour ahead"]
)
async def test_without_a_usable_time_the_budget_runs_from_now(
    admission: Admission, partition: Partition, timestamp_ms: int
):
    (message,) = await admission.admit(partition, [consumer_record(timestamp_ms=timestamp_ms)])
    assert isinstance(message, Message)
    assert message.deadline == pytest.approx(message.admitted_at + 2.0, abs=0.5)


async def test_by_how_much_a_producers_clock_is_ahead_is_known(admission: Admission, partition: Partition):
    times_ms = [int((time.time() + ahead) * 1000) for ahead in (3600.0, -60.0)]
    records = [consumer_record(timestamp_ms=timestamp_ms) for timestamp_ms in (*times_ms, -1)]
    ahead, behind, without = await admission.admit(partition, records)
    assert isinstance(ahead, Message)
    assert isinstance(behind, Message)
    assert isinstance(without, Message)
    assert ahead.clock_ahead_seconds == pytest.approx(3600.0, abs=0.5)
    assert (behind.clock_ahead_seconds, without.clock_ahead_seconds) == (0.0, 0.0)


async def test_the_budget_runs_from_the_records_timestamp(admission: Admission, partition: Partition):
    past_ms = int((time.time() - 60) * 1000)
    (message,) = await admission.admit(partition, [consumer_record(timestamp_ms=past_ms)])
    assert isinstance(message, Message)
    assert message.deadline == pytest.approx(message.admitted_at - 58.0, abs=0.5)


async def test_an_event_time_in_the_record_goes_before_kafkas(scorer: Scorer, partition: Partition):
    mapping = InputMapping(event_time=EventTimeSource(field="at", unit="seconds"))
    value = json.dumps({"text": "hello", "tenant": "shop", "at": time.time() - 10}).encode()
    (message,) = await admission_of(scorer, scorer, mapping).admit(partition, [consumer_record(value)])
    assert isinstance(message, Message)
    assert message.deadline == pytest.approx(message.admitted_at - 8.0, abs=0.5)


async def test_the_event_loop_is_free_while_records_are_admitted(scorer: Scorer, partition: Partition):
    class Waiting:
        def __init__(self) -> None:
            self.released = threading.Event()

        def encode(self, text, prepared, long_text):
            assert self.released.wait(20)
            return scorer.encode(text, prepared, long_text)

    waiting = Waiting()
    admitting = asyncio.create_task(admission_of(waiting, scorer).admit(partition, [consumer_record()]))
    await asyncio.sleep(0.01)
    assert not admitting.done()
    waiting.released.set()
    assert len(await admitting) == 1


async def test_the_budget_of_a_replayed_record_runs_from_its_replay(scorer: Scorer, partition: Partition):
    mapping = InputMapping(event_time=EventTimeSource(field="at", unit="seconds"))
    hour_ago = time.time() - 3600
    value = json.dumps({"text": "hello", "tenant": "shop", "at": hour_ago}).encode()
    headers = (("gliclass-replayed-at-ms", b"%d" % (time.time() * 1000)),)
    for each in (mapping, InputMapping()):
        record = consumer_record(value, timestamp_ms=int(hour_ago * 1000), headers=headers)
        (message,) = await admission_of(scorer, scorer, each).admit(partition, [record])
        assert isinstance(message, Message)
        assert message.deadline > time.monotonic()


@pytest.mark.parametrize(
    "timestamp_ms",
    [int(time.time()), int(time.time() * 1e6), int((time.time() + 3 * 86_400) * 1000), 1],
    ids=["seconds", "microseconds", "days ahead", "1970"],
)
async def test_a_time_that_cannot_be_is_left_out_and_known(
    admission: Admission, partition: Partition, timestamp_ms: int
):
    (message,) = await admission.admit(partition, [consumer_record(timestamp_ms=timestamp_ms)])
    assert isinstance(message, Message)
    assert message.impossible_time_ms == timestamp_ms
    assert message.clock_ahead_seconds == 0.0
    assert message.deadline == pytest.approx(message.admitted_at + 2.0, abs=0.5)


async def test_a_record_that_the_settings_pass_over_is_a_result_with_nothing_to_send(
    scorer: Scorer, partition: Partition
):
    rules = SkipRules(null_values=True, fields={"op": ["d"]})
    decoder = RecordDecoder(InputSettings(topics=["in"], skip=rules), payload="all")
    store = PolicyStore(compile_policies(POLICIES, scorer, CompileOptions()))
    admission = Admission(decoder, store.resolve, scorer, DeadLetters("dead", 10**6), Tracing(None))
    records = [consumer_record(None), consumer_record(b'{"op": "d"}'), consumer_record(b'{"op": "c"}')]
    tombstone, deleted, broken = await admission.admit(partition, records)
    assert isinstance(tombstone, Result)
    assert isinstance(deleted, Result)
    assert isinstance(broken, Result)
    assert [each.skip_reason for each in (tombstone, deleted)] == ["null_value", "field_value"]
    assert [len(each.outgoing) for each in (tombstone, deleted, broken)] == [0, 0, 1]
    assert tombstone.acknowledged
    assert broken.dead_letter_reason is not None
