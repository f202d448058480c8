"""What is copied out of a document is what stands there: every number to its last digit."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from worker.content.json_document import JsonDocument
from worker.content.json_values import ABSENT, parse_json

white_space = st.text(" \t\r\n", max_size=2)
digits = st.text("0123456789", min_size=1, max_size=30)
whole = st.builds(str, st.integers() | st.integers(-(10**400), 10**400))
numbers = st.builds(
    lambda sign, whole, fraction, exponent: sign + whole + fraction + exponent,
    st.sampled_from(["", "-"]),
    st.just("0") | st.integers(1, 10**40).map(str),
    st.just("") | digits.map(lambda some: "." + some),
    st.just("") | st.builds(lambda e, n: e + n, st.sampled_from(["e", "E", "e+", "E-"]), st.integers(0, 999).map(str)),
)
keys = st.sampled_from(["a", "b", "a.b", "é", "0"])
strings = st.builds(
    lambda text, ascii_only: json.dumps(text, ensure_ascii=ascii_only),
    keys | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    st.booleans(),
) | st.sampled_from(['"\\/"', '"\\u0061"', '"\\u0000"', '"\\ud83d\\ude00"'])
written_keys = st.builds(lambda key, ascii_only: json.dumps(key, ensure_ascii=ascii_only), keys, st.booleans()) | (
    st.sampled_from(['"\\u0061"', '"\\u0062"'])
)


def listed(values: list[str], space: str) -> str:
    return f"[{space}{f'{space},{space}'.join(values)}{space}]"


def keyed(members: list[tuple[str, str]], space: str) -> str:
    return f"{{{space}{f',{space}'.join(f'{key}{space}:{space}{value}' for key, value in members)}{space}}}"


documents = st.recursive(
    st.sampled_from(["null", "true", "false", "{}", "[]", "-0", "0.1000"]) | whole | numbers | strings,
    lambda inner: (
        st.builds(listed, st.lists(inner, max_size=3), white_space)
        | st.builds(keyed, st.lists(st.tuples(written_keys, inner), max_size=4), white_space)
    ),
    max_leaves=15,
)
paths = st.lists(st.sampled_from(["a", "b", "é", "0", "1", "-1"]), min_size=1, max_size=3).map(".".join)


def exactly(written: bytes | str) -> Any:
    """As written: numbers are decimals, objects are pairs in their order, doubled keys included."""
    number = Decimal
    return json.loads(written, parse_int=number, parse_float=number, object_pairs_hook=lambda pairs: ("object", pairs))


def at(found: Any, parts: list[str]) -> Any:
    for part in parts:
        if isinstance(found, tuple):
            found = dict(found[1]).get(part, ABSENT)
        elif isinstance(found, list) and part in ("0", "1", "-1"):
            found = found[int(part)] if -len(found) <= int(part) < len(found) else ABSENT
        else:
            return ABSENT
    return found


def expected(written: str, path: str) -> Any:
    whole_document = exactly(written)
    if isinstance(whole_document, tuple) and path in dict(whole_document[1]):
        return dict(whole_document[1])[path]
    return at(whole_document, path.split("."))


def document(written: str) -> JsonDocument:
    parsed, kept, _ = parse_json(written.encode())
    return JsonDocument(parsed, kept)


def same(one: Any, other: Any) -> bool:
    """As equal, and with the same sign and the same digits: 0.1 is not 0.1000, and -0 is not 0."""
    if isinstance(one, Decimal):
        return isinstance(other, Decimal) and str(one) == str(other)
    if isinstance(one, list | tuple) and not isinstance(one, str):
        return (
            type(one) is type(other)
            and len(one) == len(other)
            and all(same(*pair) for pair in zip(one, other, strict=True))
        )
    return type(one) is type(other) and one == other


@given(white_space, documents, white_space, paths)
@example("", '{"a": 123456789012345678901}', "", "a")
@example("", '{"a": 0.1000, "\\u0061": [ -0.0, 1e400 ]}', "", "a")
@example("", '{"a": {"b": 1}, "a.b": 1E2}', "", "a.b")
def test_what_is_copied_of_any_document_has_the_value_that_stands_there(
    before: str, written: str, behind: str, path: str
) -> None:
    inside, wanted = document(before + written + behind), expected(written, path)
    if wanted is ABSENT:
        assert inside.at(path) is ABSENT
        with pytest.raises(LookupError):
            inside.written_at(path)
    else:
        copied = inside.written_at(path)
        assert same(exactly(copied), wanted)
        assert copied in (before + written + behind).encode()


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("7", "7"),
        ("-7", "-7"),
        ("123456789012345678901", "123456789012345678901"),
        ("9" * 400, "9" * 400),
        ('"007"', "007"),
        ("1.0", 1.0),
        ("1e2", 100.0),
        ("true", True),
        ("null", None),
    ],
)
def test_a_name_is_a_string_or_the_digits_of_a_whole_number(written: str, name: object) -> None:
    found = document(f'{{"id": {written}}}').name_at("id")
    assert (type(found), found) == (type(name), name)


def test_a_document_without_a_value_holds_nothing() -> None:
    assert JsonDocument(ABSENT, b"").at("a.b") is ABSENT
