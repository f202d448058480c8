import json
import threading
import time

import numpy as np
import pytest
from support.records import consumer_record

from model.scorer import Scorer
from schemas.policy import PolicyFile
from schemas.records import DeadLetterReason, EnrichedRecord, TaskResult
from schemas.settings import InputSettings
from worker.content.admission import Admission
from worker.content.codec import RecordDecoder
from worker.content.dead_letters import DeadLetters
from worker.content.decision import decide
from worker.content.enrichment import Enrichment
from worker.device.thread import TaskLogits
from worker.in_flight.message import Message, Result
from worker.in_flight.partition import Partition
from worker.in_flight.record_limits import RecordLimits
from worker.policies.compiled import CompiledPolicy, CompileOptions, PolicyStore, compile_policies
from worker.telemetry.tracing import Tracing

POLICIES = PolicyFile.model_validate(
    {
        "tenants": {
            "shop": {
                "latency_budget_seconds": 2.0,
                "tasks": {
                    "queue": {"mode": "single", "labels": ["billing", "shipping"]},
                    "abuse": {"mode": "multi", "labels": ["insult", "threat"]},
                },
                "routes": [
                    {"task": "abuse", "label": "threat", "topic": "urgent"},
                    {"task": "abuse", "label": "*", "topic": "moderation"},
                    {"task": "queue", "label": "billing", "topic": "moderation"},
                ],
            },
            "lenient": {"on_late": "unscored", "tasks": {"queue": {"mode": "single", "labels": ["a", "b"]}}},
            "strict": {"on_late": "dead_letter", "tasks": {"queue": {"mode": "single", "labels": ["a", "b"]}}},
        }
    }
)
CALM = [np.array([0.0, 2.0], np.float32), np.array([-3.0, -3.0], np.float32)]
THREAT = [np.array([2.0, 0.0], np.float32), np.array([-3.0, 3.0], np.float32)]


@pytest.fixture
async def message(scorer: Scorer) -> Message:
    return await admitted(scorer, consumer_record(b'{"text": "hello", "tenant": "shop"}', headers=(("h", b"\xff"),)))


async def admitted(scorer: Scorer, record) -> Message:
    store = PolicyStore(compile_policies(POLICIES, scorer, CompileOptions()))
    decoder = RecordDecoder(InputSettings(topics=["in"]), "all")
    admission = Admission(decoder, store.resolve, scorer, DeadLetters("dead", 10**6), Tracing(None))
    (message,) = await admission.admit(Partition("in", 0, epoch=1, next_offset=0), [record])
    assert isinstance(message, Message)
    message.batch_messages, message.batch_tokens = 4, 99
    return message


def result_of(message: Message, outcome, limits: dict[str, int] | None = None, now: float | None = None) -> Result:
    enrichment = Enrichment("out", "digest", DeadLetters("dead", 10**6), RecordLimits(limits))
    return enrichment.result(message, outcome, message.deadline - 1.5 if now is None else now)


async def test_the_record_names_its_source_policy_model_and_decision(message: Message):
    (outgoing,) = result_of(message, CALM).outgoing
    assert (outgoing.topic, outgoing.key) == ("out", b"key")
    value = EnrichedRecord.model_validate_json(outgoing.value or b"")
    assert (value.record_id, value.tenant, value.model_digest) == ("in-0-0", "shop", "digest")
    assert value.policy_version == message.policy.version
    assert [label.label for label in value.tasks["queue"].labels] == ["shipping"]
    assert value.tasks["abuse"].none
    assert value.payload == {"text": "hello", "tenant": "shop"}


async def test_what_varies_between_deliveries_is_in_headers_and_the_value_is_the_same(message: Message):
    on_time = result_of(message, CALM).outgoing[0]
    late = result_of(message, CALM, now=message.deadline + 1).outgoing[0]
    assert on_time.value == late.value
    assert on_time.headers[0] == ("h", b"\xff")
    headers, late_headers = dict(on_time.headers), dict(late.headers)
    assert (headers["gliclass-latency-ms"], headers["gliclass-late"]) == (b"500", b"0")
    assert (late_headers["gliclass-latency-ms"], late_headers["gliclass-late"]) == (b"3000", b"1")
    assert (headers["gliclass-budget-ms"], headers["gliclass-batch-messages"]) == (b"2000", b"4")


@pytest.mark.parametrize("key", [None, b"", b"key"])
async def test_a_record_without_a_key_for_a_compacted_topic_fails_no_request_of_others(
    scorer: Scorer, key: bytes | None
):
    limits = RecordLimits()
    limits.learn({"out": 10**6}, compacted=["out"])
    enrichment = Enrichment("out", "digest", DeadLetters("dead", 10**6), limits)
    keyed = await admitted(scorer, consumer_record(b'{"text": "x", "tenant": "shop"}', key=key))
    result = enrichment.result(keyed, CALM, keyed.deadline)
    assert (result.dead_letter_reason is DeadLetterReason.PUBLISH_REFUSED) is (key is None)
    assert [outgoing.topic for outgoing in result.outgoing] == ["dead" if key is None else "out"]


async def test_a_late_message_ends_as_its_policy_says(scorer: Scorer):
    enrichment = Enrichment("out", "digest", DeadLetters("dead", 10**6), RecordLimits())
    unscored = enrichment.late(await admitted(scorer, consumer_record(b'{"text": "x", "tenant": "lenient"}')), now=1e9)
    assert [outgoing.topic for outgoing in unscored.outgoing] == ["out"]
    value = EnrichedRecord.model_validate_json(unscored.outgoing[0].value or b"")
    assert (value.unscored, value.tasks) == ("late", {})
    dead = enrichment.late(await admitted(scorer, consumer_record(b'{"text": "x", "tenant": "strict"}')), now=1e9)
    assert dead.dead_letter_reason is DeadLetterReason.LATE


async def test_each_topic_of_a_matching_route_gets_one_copy(message: Message):
    assert [outgoing.topic for outgoing in result_of(message, CALM).outgoing] == ["out"]
    assert [outgoing.topic for outgoing in result_of(message, THREAT).outgoing] == ["out", "urgent", "moderation"]


async def test_a_record_above_the_topics_limit_loses_its_payload_and_says_so(scorer: Scorer):
    value = json.dumps({"text": "hello", "tenant": "shop", "more": "x" * 5000}).encode()
    message = await admitted(scorer, consumer_record(value))
    result = result_of(message, THREAT, {"out": 2000, "urgent": 100_000, "moderation": 100_000})
    out, urgent, _ = (json.loads(outgoing.value or b"") for outgoing in result.outgoing)
    assert (out.get("payload"), out["payload_omitted"]) == (None, "too_large")
    assert urgent["payload"]["more"] == "x" * 5000
    assert out["tasks"] == urgent["tasks"]


async def test_a_record_that_does_not_fit_even_so_is_a_dead_letter(message: Message):
    result = result_of(message, CALM, {"out": 200})
    assert result.dead_letter_reason is DeadLetterReason.OUTPUT_TOO_LARGE
    assert [outgoing.topic for outgoing in result.outgoing] == ["dead"]


@pytest.mark.parametrize(
    "outcome",
    [
        RuntimeError("hello"),
        [np.array([np.nan, 1.0], np.float32), np.array([0.0, 0.0], np.float32)],
        [np.array([0.0, 1.0], np.float32)],
    ],
)
async def test_a_model_that_fails_on_a_record_makes_it_a_dead_letter_without_its_text(message: Message, outcome):
    result = result_of(message, outcome)
    assert result.dead_letter_reason is DeadLetterReason.MODEL_ERROR
    assert b"hello" not in (dict(result.outgoing[0].headers)["gliclass-error"] or b"")


async def test_the_results_of_a_batch_are_made_beside_the_event_loop_each_for_its_message(
    scorer: Scorer, message: Message, monkeypatch: pytest.MonkeyPatch
):
    other = await admitted(scorer, consumer_record(b'{"text": "bye", "tenant": "lenient"}', offset=7))
    threads: list[threading.Thread] = []

    def watched(policy: CompiledPolicy, logits: TaskLogits) -> dict[str, TaskResult]:
        threads.append(threading.current_thread())
        return decide(policy, logits)

    monkeypatch.setattr("worker.content.enrichment.decide", watched)
    enrichment = Enrichment("out", "digest", DeadLetters("dead", 10**6), RecordLimits())
    outcomes = [CALM, RuntimeError("from the model"), CALM[:1]]
    first, failed, third = await enrichment.results([message, message, other], outcomes, time.monotonic())
    assert (first.offset, first.dead_letter_reason) == (0, None)
    assert failed.dead_letter_reason is DeadLetterReason.MODEL_ERROR
    assert (third.offset, third.dead_letter_reason) == (7, None)
    assert len(threads) == 2
    assert threading.main_thread() not in threads
