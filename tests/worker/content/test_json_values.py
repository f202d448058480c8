import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.records import DeadLetterReason
from worker.content.json_values import ABSENT, RecordError, at_path, event_time_ms, kind_of, parse_json, utf8

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
any_text = st.text(st.characters(exclude_categories=()), max_size=40)  # halves of surrogate pairs included


@given(json_values)
def test_valid_json_is_parsed_and_kept_byte_for_byte(value: Any) -> None:
    written = orjson.dumps(value)
    assert parse_json(written) == (value, written, 0)


@given(any_text)
def test_halves_of_surrogate_pairs_become_replacement_characters_and_nothing_else_changes(text: str) -> None:
    halves = sum(
        1 for character in text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if character == "�"
    )
    expected = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    parsed, cleaned, replaced = parse_json(json.dumps({"text": text}).encode())
    assert parsed == {"text": expected} == orjson.loads(cleaned)
    assert replaced == halves - text.count("�")


@pytest.mark.parametrize(
    ("written", "parsed", "replaced"),
    [
        (rb'"\ud83d\ude00"', "😀", 0),
        (rb'"cut \ud83d"', "cut �", 1),
        (rb'"\ude00\ud83d"', "��", 2),
        (rb'"\ud83d\ud83d\ude00"', "�😀", 1),
        (rb'"\\ud83d \ud83d"', "\\ud83d �", 1),
        (rb'"\\\ud83d"', "\\�", 1),
        (rb'{"\udc00": 1}', {"�": 1}, 1),
    ],
)
def test_only_true_halves_are_replaced(written: bytes, parsed: object, replaced: int) -> None:
    assert parse_json(written)[::2] == (parsed, replaced)


@pytest.mark.parametrize(
    "written",
    [
        b"{",
        b"NaN",
        b"[Infinity]",
        b"-Infinity",
        b"01e999",
        b"1e999.5",
        b'"1e999',
        b"1e+-999",
        b"{} {}",
        b"[1,]",
        b"'a'",
        b'"a\x00b"',
        b'"\\ud83d',
        b"\x00",
        b" ",
    ],
)
def test_what_is_not_json_is_refused(written: bytes) -> None:
    with pytest.raises(RecordError) as caught:
        parse_json(written)
    assert caught.value.reason == DeadLetterReason.INVALID_JSON


@pytest.mark.parametrize(
    ("written", "parsed"),
    [
        (b"1e999", 1e308),
        (b"[-1.5E+400, 1e-400]", [-1e308, 0.0]),
        (b"-" + b"9" * 400, -1e308),
        (b"9" * 250 + b"e99", 1e308),
        (b"9" * 400 + b"e-399", 1e1),
        (b"0." + b"9" * 400 + b"e999", 1e308),
        (rb'{"1e999": "\"1e999", "n": 1e308}', {"1e999": '"1e999', "n": 1e308}),
        (rb'["\ud83d", 1e400]', ["\ufffd", 1e308]),
    ],
)
def test_a_number_too_large_for_a_float_is_json_all_the_same(written: bytes, parsed: object) -> None:
    value, kept, _ = parse_json(written)
    assert value == parsed
    assert kept == written.replace(rb"\ud83d", rb"\ufffd")


@pytest.mark.parametrize("fraction", ["1" * 308, "1" * 309, "5" * 5_000])
def test_a_long_fraction_is_no_large_number(fraction: str) -> None:
    parsed, _, _ = parse_json(rb'["\ud800",1e400,-0.%s]' % fraction.encode())
    assert parsed[2] == -float(f"0.{fraction}")


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(b'{"n":1e5,"text":"' + rb"\"" * 1_000_000, id="quotes-without-an-end"),
        pytest.param(b'{"n":1e5,"text":"' + rb"\"" * 1_000_000 + b"\\", id="a-lone-backslash-at-the-end"),
    ],
)
def test_a_string_of_quotes_without_an_end_is_refused_in_one_pass(broken: bytes) -> None:
    # Hours where each quote is taken for the start of a string, with the interpreter's lock held all the while.
    with pytest.raises(RecordError) as refused:
        parse_json(broken)
    assert refused.value.reason is DeadLetterReason.INVALID_JSON


@pytest.mark.parametrize("written", [b'"\xff"', b'"\xed\xa0\x80"', b"\xfe\xff\x00{", b'"\xc3'])
def test_what_is_not_utf8_is_told_apart(written: bytes) -> None:
    with pytest.raises(RecordError) as caught:
        parse_json(written)
    assert caught.value.reason == DeadLetterReason.INVALID_UTF8


@pytest.mark.parametrize("depth", [255, 1000, 100_000])
def test_nesting_deeper_than_an_answer_could_be_written_with_is_refused(depth: int) -> None:
    with pytest.raises(RecordError) as caught:
        parse_json(b'{"a":' * depth + b"1" + b"}" * depth)
    assert caught.value.reason == DeadLetterReason.INVALID_JSON


def test_many_values_side_by_side_are_not_deep() -> None:
    assert len(parse_json(b"[" + b",".join([b"{}"] * 5000) + b"]")[0]) == 5000


def test_a_byte_order_mark_is_dropped() -> None:
    assert parse_json(b"\xef\xbb\xbf{}") == ({}, b"{}", 0)
    assert utf8(b"\xef\xbb\xbfa") == "a"


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("a", {"b": [10, {"c": None}]}),
        ("a.b.0", 10),
        ("a.b.-1.c", None),
        ("a.b.-2", 10),
        ("a.b.2", ABSENT),
        ("a.b.-3", ABSENT),
        ("a.b.x", ABSENT),
        ("a.b.0.c", ABSENT),
        ("a.z", ABSENT),
        ("x.y", "whole key first"),
        ("x.z", "nested"),
        ("a.b.99999999999999999999", ABSENT),
    ],
)
def test_a_path_leads_through_objects_and_lists(path: str, found: object) -> None:
    value = {"a": {"b": [10, {"c": None}]}, "x.y": "whole key first", "x": {"y": "nested", "z": "nested"}}
    assert at_path(value, path) == found


@given(json_values, st.text(min_size=1))
def test_a_path_never_fails(value: Any, path: str) -> None:
    at_path(value, path)


@pytest.mark.parametrize(
    ("found", "unit", "milliseconds"),
    [
        (1_700_000_000_123, "milliseconds", 1_700_000_000_123),
        ("1700000000123", "milliseconds", 1_700_000_000_123),
        (1_700_000_000.25, "seconds", 1_700_000_000_250),
        ("2023-11-14T22:13:20Z", "iso8601", 1_700_000_000_000),
        ("2023-11-14T22:13:20", "iso8601", 1_700_000_000_000),
        ("2023-11-15T00:13:20.5+02:00", "iso8601", 1_700_000_000_500),
    ],
)
def test_times_are_read_in_their_unit(found: object, unit: str, milliseconds: int) -> None:
    assert event_time_ms(found, unit) == milliseconds


@pytest.mark.parametrize("unit", ["milliseconds", "seconds", "iso8601"])
@pytest.mark.parametrize(
    "found", [None, True, 0, -5, float("nan"), float("inf"), 10**400, "", "soon", b"\xff", [], {}, ABSENT, "9" * 5000]
)
def test_what_is_no_time_is_none(found: object, unit: str) -> None:
    assert event_time_ms(found, unit) is None


def test_kinds_are_named_as_json_names_them() -> None:
    assert [kind_of(value) for value in ("", True, 1, 1.5, [], {}, None)] == [
        "a string",
        "a boolean",
        "a number",
        "a number",
        "a list",
        "an object",
        "null",
    ]
