from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.mapping import InputMapping, SkipRules, TenantSource
from schemas.records import DeadLetterReason, EnrichedRecord, LabelScore, SourceCoordinates, TaskResult
from schemas.settings import InputSettings
from worker.content.codec import (
    RecordDecoder,
    RecordError,
    encode_enriched,
    has_visible_character,
    merge_headers,
    record_id,
)
from worker.content.json_values import SkippedRecordError
from worker.in_flight.message import DecodedRecord

MEBIBYTE = 1024 * 1024


def decoder(mapping: dict[str, Any] | None = None, payload: str | list[str] = "all", **settings: Any) -> RecordDecoder:
    written = {"topics": ["messages"], "mapping": mapping or {}, **settings}
    return RecordDecoder(InputSettings.model_validate(written), payload)


def decode(value: object, mapping: dict[str, Any] | None = None, **options: Any) -> DecodedRecord:
    written = value if isinstance(value, bytes) else orjson.dumps(value)
    return decoder(mapping, **options).decode(None, written, ())


def refusal(value: bytes | None, mapping: dict[str, Any] | None = None, **options: Any) -> RecordError:
    with pytest.raises(RecordError) as caught:
        decoder(mapping, **options).decode(b"key", value, (("tenant", b"acme"),))
    return caught.value


def test_text_and_tenant_are_found_where_the_mapping_says() -> None:
    mapping = {
        "text": ["ticket.subject", "ticket.body"],
        "tenant": {"field": "account.id"},
        "id": {"field": "ticket.id"},
        "event_time": {"field": "ticket.at", "unit": "seconds"},
    }
    value = {"ticket": {"subject": "Help", "body": "It burns", "id": 7, "at": 1.5}, "account": {"id": 42}}
    written = orjson.dumps(value)
    assert decode(written, mapping) == DecodedRecord("Help\nIt burns", "42", "7", 1500, written, 0)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": "x", "b": None}, "x"),
        ({"b": "y"}, "y"),
        ({"a": "  ", "b": "y"}, "y"),
        ({"a": "x", "b": "y"}, "x | y"),
    ],
)
def test_absent_and_blank_text_fields_are_left_out(value: dict[str, object], text: str) -> None:
    mapping = {"text": ["a", "b"], "separator": " | ", "tenant": {"constant": "acme"}}
    assert decode(value, mapping).text == text


@pytest.mark.parametrize(
    ("tenant", "expected"),
    [({"header": "tenant"}, "from header"), ({"key": True}, "from key"), ({"constant": "fixed"}, "fixed")],
)
def test_the_tenant_may_stand_outside_the_value(tenant: dict[str, Any], expected: str) -> None:
    headers = (("tenant", b"first"), ("tenant", b"from header"))
    assert decoder({"tenant": tenant}).decode(b"from key", b'{"text": "x"}', headers).tenant == expected


def test_plain_text_is_the_whole_value() -> None:
    mapping = {"format": "text", "tenant": {"key": True}, "id": {"header": "id"}, "event_time": {"header": "at"}}
    headers = (("id", b"n1"), ("at", b"1500"))
    decoded = decoder(mapping).decode(b"acme", '"é" \x07'.encode(), headers)
    assert decoded == DecodedRecord('"é" \x07', "acme", "n1", 1500, orjson.dumps('"é" \x07'), 0)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, DeadLetterReason.VALUE_EMPTY),
        (b"", DeadLetterReason.VALUE_EMPTY),
        (b"{", DeadLetterReason.INVALID_JSON),
        (b'{"text": NaN}', DeadLetterReason.INVALID_JSON),
        (b"[" * 2000 + b"]" * 2000, DeadLetterReason.INVALID_JSON),
        (b'{"text": "\xff"}', DeadLetterReason.INVALID_UTF8),
        (b"{}", DeadLetterReason.TEXT_MISSING),
        (b'{"text": null}', DeadLetterReason.TEXT_MISSING),
        (b'"text"', DeadLetterReason.TEXT_MISSING),
        (b"[1]", DeadLetterReason.TEXT_MISSING),
        (b"null", DeadLetterReason.TEXT_MISSING),
        (b'{"text": 7}', DeadLetterReason.TEXT_NOT_A_STRING),
        (b'{"text": ["x"]}', DeadLetterReason.TEXT_NOT_A_STRING),
        (b'{"text": ""}', DeadLetterReason.TEXT_EMPTY),
        (b'{"text": " \\n\\u0000\\u200b\\ufeff"}', DeadLetterReason.TEXT_EMPTY),
    ],
)
def test_a_record_without_usable_text_names_its_reason_and_its_tenant(value: bytes | None, reason: str) -> None:
    error = refusal(value, {"tenant": {"header": "tenant"}})
    assert (error.reason, error.tenant) == (reason, "acme")


@pytest.mark.parametrize("tenant", [None, "", True, 1.5, ["a"], {}])
def test_a_tenant_that_is_no_name_is_missing(tenant: object) -> None:
    assert refusal(orjson.dumps({"text": "x", "tenant": tenant})).reason == DeadLetterReason.TENANT_MISSING


def test_a_tenant_that_is_nowhere_is_missing() -> None:
    assert refusal(b'{"text": "x"}').reason == DeadLetterReason.TENANT_MISSING
    assert refusal(b'{"text": "x"}', {"tenant": {"header": "other"}}).reason == DeadLetterReason.TENANT_MISSING


def test_a_tenant_outside_the_value_must_be_utf8() -> None:
    with pytest.raises(RecordError) as caught:
        decoder({"tenant": {"key": True}}).decode(b"\xff", b'{"text": "x"}', ())
    assert caught.value.reason == DeadLetterReason.TENANT_MISSING
    assert caught.value.detail == "the key is bytes that are not UTF-8, not a string"


def test_a_name_too_long_for_a_header_is_an_unknown_tenant_and_is_not_repeated() -> None:
    error = refusal(orjson.dumps({"text": "x", "tenant": "a" * 300_000}))
    assert (error.reason, error.tenant) == (DeadLetterReason.TENANT_UNKNOWN, None)
    assert len(error.detail) < 200


@pytest.mark.parametrize("character", ["a", "é", "😀", "\x01"])
def test_the_limit_counts_bytes_of_text_however_json_writes_them(character: str) -> None:
    size = len(character.encode())
    fits, beyond = character * (1200 // size), character * (1200 // size) + "a"
    mapping = {"tenant": {"constant": "acme"}}
    assert decode({"text": "!" + fits[:-1]}, mapping, max_text_bytes=1201).text
    error = refusal(orjson.dumps({"text": "!" + beyond}), mapping, max_text_bytes=1200)
    assert error.reason == DeadLetterReason.TEXT_TOO_LARGE


def test_a_value_far_beyond_the_limit_is_refused_without_being_read() -> None:
    error = refusal(b"this is no JSON" * MEBIBYTE)
    assert error.reason == DeadLetterReason.TEXT_TOO_LARGE
    mapping = {"format": "text", "tenant": {"key": True}}
    assert refusal(b"\xff" * (MEBIBYTE + 1), mapping).reason == DeadLetterReason.TEXT_TOO_LARGE


def test_a_small_text_in_a_large_value_is_classified() -> None:
    value = {"text": "x", "tenant": "acme", "attachment": "A" * 2 * MEBIBYTE}
    assert decode(value).text == "x"


def test_half_a_surrogate_pair_is_replaced_in_text_and_payload() -> None:
    decoded = decode(rb'{"text": "cut \ud83d", "tenant": "acme", "n": 1.0}')
    assert decoded.text == "cut �"
    assert decoded.payload == rb'{"text": "cut \ufffd", "tenant": "acme", "n": 1.0}'
    assert decoded.replaced_characters == 1


@pytest.mark.parametrize(
    ("payload", "expected"),
    [("none", None), (["a.b", "missing", "n"], {"a.b": [1], "n": None})],
)
def test_the_payload_is_what_the_settings_choose(payload: str | list[str], expected: object) -> None:
    decoded = decode({"text": "x", "tenant": "acme", "a": {"b": [1]}, "n": None}, payload=payload)
    assert (None if decoded.payload is None else orjson.loads(decoded.payload)) == expected


def test_chosen_paths_keep_every_digit_key_and_escape() -> None:
    numbers = rb'[123456789012345678901, 0.1000, 1e400, -0.0, -0, 1E+2, {"a": 1, "a": 2}]'
    value = rb'{"text": "x", "tenant": "a", "n": %s, "s": "\u00e9\/", "big": 123456789012345678901}' % numbers
    decoded = decode(value, payload=["big", "n", "s", "n.0", "missing"])
    assert decoded.payload == (
        rb'{"big":123456789012345678901,"n":%s,"s":"\u00e9\/","n.0":123456789012345678901}' % numbers
    )


@pytest.mark.parametrize("number", ["123456789012345678901", "-18446744073709551617", "9" * 200])
def test_a_tenant_and_an_id_keep_all_digits_of_a_number(number: str) -> None:
    value = b'{"text": "x", "tenant": %b, "id": %b}' % (number.encode(), number.encode())
    decoded = decode(value, {"id": {"field": "id"}})
    assert (decoded.tenant, decoded.id) == (number, number)


@pytest.mark.parametrize("id", [None, True, 1.5, [], {}])
def test_an_id_that_is_no_name_is_left_out(id: object) -> None:
    assert decode({"text": "x", "tenant": "a", "id": id}, {"id": {"field": "id"}}).id is None


def decoded_or_refused(
    mapping: dict[str, Any], key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes | None]]
) -> DecodedRecord | RecordError:
    try:
        return decoder(mapping).decode(key, value, headers)
    except RecordError as error:
        return error


@given(
    st.none() | st.binary(max_size=60),
    st.none()
    | st.binary(max_size=200)
    | st.builds(
        lambda text, tenant: orjson.dumps({"text": text, "tenant": tenant}),
        st.none() | st.text(max_size=20) | st.integers(0, 9),
        st.none() | st.text(max_size=20) | st.lists(st.none()),
    ),
    st.lists(st.tuples(st.text(max_size=5), st.none() | st.binary(max_size=8)), max_size=3),
)
def test_any_record_is_decoded_or_refused_with_a_reason(
    key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes | None]]
) -> None:
    for mapping in ({}, {"tenant": {"key": True}}, {"tenant": {"header": "t"}, "id": {"key": True}}):
        outcome = decoded_or_refused(mapping, key, value, headers)
        if isinstance(outcome, RecordError):
            assert outcome.reason in DeadLetterReason
        else:
            assert outcome.text.strip()
            assert outcome.tenant


def test_a_refusal_never_repeats_the_text() -> None:
    for value in (b'{"text": "secret words"', b'{"text": ["secret words"]}', b'"secret words"', b"secret words \xff"):
        assert "secret" not in refusal(value).detail


def enriched(**changes: Any) -> EnrichedRecord:
    return EnrichedRecord(
        record_id="messages-0-5",
        tenant="acme",
        source=SourceCoordinates(topic="messages", partition=0, offset=5, timestamp_ms=1500),
        policy_version="v1",
        model_digest="d1",
        tasks={"topic": TaskResult(mode="multi", labels=[LabelScore(label="spam", score=0.9123)], none=False)},
        **changes,
    )


def test_an_enriched_record_leaves_out_what_is_null() -> None:
    assert orjson.loads(encode_enriched(enriched(truncated_tokens=3))) == {
        "record_id": "messages-0-5",
        "tenant": "acme",
        "source": {"topic": "messages", "partition": 0, "offset": 5, "timestamp_ms": 1500},
        "policy_version": "v1",
        "model_digest": "d1",
        "tasks": {"topic": {"mode": "multi", "labels": [{"label": "spam", "score": 0.9123}], "none": False}},
        "truncated_tokens": 3,
        "replaced_characters": 0,
    }


def test_a_payload_goes_through_byte_for_byte() -> None:
    payload = b'{"n": 12345678901234567890123, "f": 1.0, "f": 1e2}'
    encoded = encode_enriched(enriched(payload=payload))
    assert encoded.endswith(b'"payload":' + payload + b"}")


def test_what_is_encoded_is_an_enriched_record() -> None:
    record = enriched(payload=b'{"a": [1, null]}')
    assert EnrichedRecord.model_validate_json(encode_enriched(record)) == enriched(payload={"a": [1, None]})


def test_our_headers_take_the_place_of_their_namesakes() -> None:
    original = [("a", b"1"), ("traceparent", b"old"), ("a", None), ("gliclass-late", b"1")]
    ours = {"traceparent": "new", "gliclass-late": None, "b": "é"}
    assert merge_headers(original, ours) == [("a", b"1"), ("a", None), ("traceparent", b"new"), ("b", "é".encode())]


def test_a_record_is_identified_by_where_it_lies() -> None:
    assert record_id(SourceCoordinates(topic="messages", partition=3, offset=17, timestamp_ms=-1)) == "messages-3-17"


@pytest.mark.parametrize(
    ("rules", "value", "reason"),
    [
        (SkipRules(null_values=True), None, "null_value"),
        (SkipRules(missing_text=True), b'{"tenant": "a"}', "missing_text"),
        (SkipRules(missing_text=True), b'{"after": null, "text": null}', "missing_text"),
        (SkipRules(fields={"op": ["d", "t"]}), b'{"op": "t", "text": "x", "tenant": "a"}', "field_value"),
        (SkipRules(fields={"after": [None]}), b'{"after": null}', "field_value"),
        (SkipRules(fields={"meta.deleted": [True]}), b'{"meta": {"deleted": true}, "text": "x"}', "field_value"),
    ],
)
def test_what_the_settings_pass_over_is_no_error(rules: SkipRules, value: bytes | None, reason: str) -> None:
    decoder = RecordDecoder(InputSettings(topics=["in"], skip=rules), "all")
    with pytest.raises(SkippedRecordError) as skipped:
        decoder.decode(None, value, ())
    assert skipped.value.reason == reason


@pytest.mark.parametrize(
    ("rules", "value"),
    [
        (SkipRules(), None),
        (SkipRules(null_values=True), b""),
        (SkipRules(missing_text=True), b'{"text": "", "tenant": "a"}'),
        (SkipRules(fields={"op": [1]}), b'{"op": true, "tenant": "a"}'),
        (SkipRules(fields={"op": ["d"]}), b'{"op": "c", "tenant": "a"}'),
    ],
)
def test_what_no_rule_names_is_the_error_that_it_was(rules: SkipRules, value: bytes | None) -> None:
    with pytest.raises(RecordError):
        RecordDecoder(InputSettings(topics=["in"], skip=rules), "all").decode(None, value, ())


def test_a_change_that_is_no_delete_is_read_beside_the_rules() -> None:
    mapping = InputMapping(text=["after.body"], tenant=TenantSource(field="after.tenant"))
    rules = SkipRules(null_values=True, fields={"op": ["d"]})
    decoder = RecordDecoder(InputSettings(topics=["in"], mapping=mapping, skip=rules), "none")
    decoded = decoder.decode(None, b'{"op": "u", "after": {"body": "hello", "tenant": "a"}}', ())
    assert (decoded.text, decoded.tenant) == ("hello", "a")


@pytest.mark.parametrize("invisible_before", [0, 1, 65_535, 65_536, 65_537, 200_000])
def test_a_visible_character_is_found_behind_any_number_of_invisible_ones(invisible_before: int) -> None:
    assert has_visible_character(" " * invisible_before + "a")
    assert has_visible_character(" " * invisible_before + "a" + "\u200b" * 100_000)
    assert not has_visible_character(" " * invisible_before)
