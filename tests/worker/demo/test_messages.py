import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.records import HEADER_TRACEPARENT, DeadLetterReason
from schemas.settings import InputSettings
from worker.content.codec import RecordDecoder, RecordError
from worker.demo.configuration import worker_settings
from worker.demo.messages import HOSTILE, TENANT_WEIGHTS, DemoMessage, Plan, demo_messages, warm_up_messages
from worker.demo.texts import WRITERS
from worker.demo.topics import Topics

TOPICS = Topics("demo", partitions=1, routes=())
PLAN = Plan(messages=4000, rate=100)


@pytest.fixture(scope="module")
def messages() -> list[DemoMessage]:
    return list(demo_messages(PLAN, seed=1))


@given(st.integers(0, 500), st.floats(1, 1000))
def test_all_messages_arrive_in_order_and_within_the_time(count: int, rate: float) -> None:
    plan = Plan(messages=count, rate=rate)
    arrivals = list(plan.arrivals())
    assert len(arrivals) == count
    assert all(earlier <= later for earlier, later in pairwise(arrivals))
    assert all(0 <= arrival <= plan.seconds + plan.burst_seconds for arrival in arrivals)


def test_the_burst_is_the_busiest_second() -> None:
    per_second = Counter(int(arrival) for arrival in PLAN.arrivals())
    start = int(PLAN.burst_start * PLAN.seconds)
    assert per_second.most_common(1)[0][0] in (start, start + 1)
    assert per_second[start] + per_second[start + 1] > 3 * PLAN.rate


def test_the_same_seed_writes_the_same_stream_and_another_seed_another(messages: list[DemoMessage]) -> None:
    assert list(demo_messages(PLAN, seed=1)) == messages
    assert [m.value for m in demo_messages(PLAN, seed=2)] != [m.value for m in messages]


def test_texts_vary(messages: list[DemoMessage]) -> None:
    assert len({message.value for message in messages}) > 0.95 * len(messages)


def test_all_tenants_take_part_according_to_their_weight(messages: list[DemoMessage]) -> None:
    tenants = Counter(json.loads(m.value)["tenant"] for m in messages if m.value and m.expected is None)
    assert set(TENANT_WEIGHTS) == set(WRITERS) == set(tenants)
    assert tenants["game-chat"] > tenants["market-reviews"] > tenants["city-desk"]


def test_every_message_carries_a_trace_context(messages: list[DemoMessage]) -> None:
    contexts = [dict(message.headers)[HEADER_TRACEPARENT] for message in messages]
    assert len(set(contexts)) == len(contexts)
    for context in contexts:
        assert context is not None
        version, trace_id, span_id, flags = context.decode().split("-")
        assert (version, len(trace_id), len(span_id)) == ("00", 32, 16)
        assert flags in ("00", "01")


def test_a_record_that_is_sent_has_a_key_or_a_value(messages: list[DemoMessage]) -> None:
    assert all(message.key is not None or message.value is not None for message in messages)


def test_the_stream_has_every_kind_of_broken_record_the_input_can_have(messages: list[DemoMessage]) -> None:
    at_admission = set(DeadLetterReason) - {
        DeadLetterReason.CRASHED_WORKER,
        DeadLetterReason.MODEL_ERROR,
        DeadLetterReason.OUTPUT_TOO_LARGE,
        DeadLetterReason.PUBLISH_REFUSED,
        DeadLetterReason.LATE,
    }
    assert {message.expected for message in messages} == {None, *at_admission}
    broken = sum(message.expected is not None for message in messages)
    assert 0.01 < broken / len(messages) < PLAN.hostile_share
    assert len(HOSTILE) > len(at_admission)


def test_the_worker_reads_each_message_as_the_generator_expects(messages: list[DemoMessage]) -> None:
    settings = worker_settings(
        bootstrap_servers="localhost:9092", topics=TOPICS, policies=Path("policies.yaml"), model=None, threads=None
    )
    decoder = RecordDecoder(InputSettings.model_validate(settings["input"]), "all")

    def outcome(message: DemoMessage) -> DeadLetterReason | None:
        try:
            decoded = decoder.decode(message.key, message.value, message.headers)
        except RecordError as error:
            return error.reason
        return None if decoded.tenant in WRITERS else DeadLetterReason.TENANT_UNKNOWN

    assert [outcome(message) for message in messages] == [message.expected for message in messages]


def test_the_warm_up_is_harmless_and_comes_at_once() -> None:
    warm_up = list(warm_up_messages(50, seed=1))
    assert len(warm_up) == 50
    assert {message.at_seconds for message in warm_up} == {0.0}
    assert {message.expected for message in warm_up} == {None}
