"""What a dead letter tells, and which are meant."""

import base64
import json

import pytest
from support.records import consumer_record

from schemas.records import DeadLetterReason
from worker.content.dead_letters import DeadLetters
from worker.errors import DeadLetterToolError
from worker.replay.letters import DeadLetter, Filter, place_of
from worker.telemetry.tracing import NOT_TRACED


def dead_letter(*, tenant: str | None = "shop", at_ms: int = 5000) -> DeadLetter:
    source = consumer_record(b"\xff{", key=b"\x00", headers=(("a", b"1"), ("a", None)), offset=7)
    result = DeadLetters("dead", 1_000_000).of(source, DeadLetterReason.INVALID_JSON, "why", NOT_TRACED, tenant=tenant)
    headers = [
        (name, b"%d" % at_ms) if name == "gliclass-dead-lettered-at-ms" else (name, value)
        for name, value in result.outgoing[0].headers
    ]
    return DeadLetter.of(consumer_record(b"\xff{", key=b"\x00", headers=tuple(headers), offset=3))


@pytest.mark.parametrize(
    ("wanted", "admitted"),
    [
        (Filter(), True),
        (Filter(reasons=frozenset({"invalid_json", "late"})), True),
        (Filter(reasons=frozenset({"late"})), False),
        (Filter(tenants=frozenset({"shop"})), True),
        (Filter(tenants=frozenset({"forum"})), False),
        (Filter(since_ms=5000, until_ms=5001), True),
        (Filter(since_ms=5001), False),
        (Filter(until_ms=5000), False),
        (Filter(places=frozenset({(0, 3), (1, 4)})), True),
        (Filter(places=frozenset({(0, 4)})), False),
    ],
)
def test_a_filter_admits_what_meets_all_its_conditions(wanted: Filter, admitted: bool):
    assert wanted.admits(dead_letter()) is admitted


def test_a_dead_letter_without_tenant_is_of_no_tenant_that_was_asked_for():
    assert not Filter(tenants=frozenset({"shop"})).admits(dead_letter(tenant=None))


def test_an_exported_dead_letter_names_its_source_and_keeps_its_text():
    exported = json.loads(dead_letter().as_json())
    assert (exported["dead_letter"], exported["source"], exported["reason"]) == ("in-0-3", "in-0-7", "invalid_json")
    assert (exported["value"], exported["dead_lettered_at_ms"]) == ("\ufffd{", 5000)
    assert exported["headers"] == [{"name": "a", "value": "1"}, {"name": "a", "value": None}]


def test_an_exported_dead_letter_keeps_what_is_not_utf8_as_base64_and_tells_null_from_empty():
    exported = json.loads(dead_letter().as_json())
    assert base64.b64decode(exported["value_base64"]) == b"\xff{"
    assert (exported["key"], "key_base64" in exported) == ("\x00", False)
    nothing = DeadLetters("dead", 10**6).of(
        consumer_record(None, key=None), DeadLetterReason.VALUE_EMPTY, "why", NOT_TRACED
    )
    letter = DeadLetter.of(consumer_record(b"", key=None, headers=tuple(nothing.outgoing[0].headers)))
    assert json.loads(letter.as_json())["value"] is None


def test_the_id_that_is_exported_is_the_one_that_is_asked_for():
    letter = dead_letter()
    exported = json.loads(letter.as_json())["dead_letter"]
    assert place_of(exported, "in") == place_of("0-3", "in") == letter.place


@pytest.mark.parametrize("written", ["", "3", "in-3", "out-0-3", "in-0-3-", "in-0-x", "0--3", "in--0-3"])
def test_what_is_no_id_is_refused_with_one_that_is(written: str):
    with pytest.raises(DeadLetterToolError, match="in-3-1042"):
        place_of(written, "in")
