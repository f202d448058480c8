import base64
import json

import pytest
from support.records import consumer_record

from schemas import records
from schemas.records import DeadLetterHeaders, DeadLetterReason
from worker.content.dead_letters import DeadLetters
from worker.in_flight.outgoing import Outgoing
from worker.telemetry.tracing import NOT_TRACED


def dead_letter(record, *, limit: int = 1_000_000, error: str = "why", tenant: str | None = "shop") -> Outgoing:
    result = DeadLetters("dead", limit).of(record, DeadLetterReason.INVALID_JSON, error, NOT_TRACED, tenant=tenant)
    assert (result.offset, result.dead_letter_reason) == (record.offset, DeadLetterReason.INVALID_JSON)
    (outgoing,) = result.outgoing
    return outgoing


def text_headers(outgoing: Outgoing) -> dict[str, str]:
    return {name: value.decode(errors="replace") for name, value in outgoing.headers if value is not None}


def test_key_value_and_headers_stay_as_they_were_beside_the_reason():
    record = consumer_record(b"\xff{", key=b"\x00", headers=(("a", b"1"), ("a", None), ("b", b"\xff")), offset=7)
    outgoing = dead_letter(record)
    assert (outgoing.topic, outgoing.key, outgoing.value) == ("dead", b"\x00", b"\xff{")
    assert outgoing.headers[:3] == [("a", b"1"), ("a", None), ("b", b"\xff")]
    found = DeadLetterHeaders.model_validate(text_headers(outgoing))
    assert (found.reason, found.error, found.tenant) == (DeadLetterReason.INVALID_JSON, "why", "shop")
    assert (found.source_topic, found.source_partition, found.source_offset) == ("in", 0, 7)


def test_headers_of_ours_that_a_producer_wrote_are_taken_out():
    ours = (records.HEADER_VALUE_NULL, records.HEADER_VALUE_OMITTED_BYTES, records.HEADER_REASON)
    outgoing = dead_letter(consumer_record(headers=tuple((name, b"1") for name in (*ours, "kept"))), tenant=None)
    headers = text_headers(outgoing)
    assert ours[0] not in headers
    assert ours[1] not in headers
    assert (headers[records.HEADER_REASON], headers["kept"]) == (DeadLetterReason.INVALID_JSON, "1")


def test_headers_that_make_room_for_ours_are_kept_with_their_place():
    source = (("gliclass-tenant", b"theirs"), ("a", b"1"), ("gliclass-tenant", None))
    headers = text_headers(dead_letter(consumer_record(headers=source)))
    assert headers[records.HEADER_TENANT] == "shop"
    replaced = json.loads(headers[records.HEADER_REPLACED_HEADERS])
    assert replaced == [[0, "gliclass-tenant", base64.b64encode(b"theirs").decode()], [2, "gliclass-tenant", None]]


def test_a_header_that_pretends_that_others_made_room_counts_for_nothing():
    source = ((records.HEADER_REPLACED_HEADERS, b"forged"),)
    replaced = json.loads(text_headers(dead_letter(consumer_record(headers=source)))[records.HEADER_REPLACED_HEADERS])
    assert replaced == [[0, records.HEADER_REPLACED_HEADERS, base64.b64encode(b"forged").decode()]]


def test_an_unknown_tenant_has_no_header():
    assert records.HEADER_TENANT not in text_headers(dead_letter(consumer_record(), tenant=None))


def test_a_record_without_key_and_value_becomes_one_that_can_be_sent():
    outgoing = dead_letter(consumer_record(None, key=None))
    assert outgoing.value == b""
    assert text_headers(outgoing)[records.HEADER_VALUE_NULL] == "1"


def test_a_tombstone_keeps_its_null_value():
    assert dead_letter(consumer_record(None, key=b"k")).value is None


@pytest.mark.parametrize(
    ("record", "key"),
    [
        (consumer_record(b"x" * 5000, key=b"k"), b"k"),
        (consumer_record(b"x" * 5000, key=b"k" * 5000), None),
        (consumer_record(b"x" * 5000, key=b"k", headers=(("h", b"y" * 5000),)), None),
    ],
)
def test_what_does_not_fit_the_topic_is_left_out_and_said(record, key: bytes | None):
    outgoing = dead_letter(record, limit=2000)
    assert outgoing.wire_bytes <= 2000
    assert (outgoing.key, outgoing.value) == (key, b"")
    assert text_headers(outgoing)[records.HEADER_VALUE_OMITTED_BYTES] == "5000"


def test_a_long_error_is_cut():
    assert len(text_headers(dead_letter(consumer_record(), error="e" * 100_000))[records.HEADER_ERROR]) <= 1000
