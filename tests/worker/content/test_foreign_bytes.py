"""A value that cannot be read is told what it is, and nothing of it is repeated."""

import base64
import bz2
import gzip
import json
import lzma
import zlib
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.settings import InputSettings
from worker.content.codec import RecordDecoder
from worker.content.foreign_bytes import what_it_is, what_shape_it_has
from worker.content.json_values import RecordError, parse_json

DOCUMENT = '{"text": "secret words", "tenant": "shop"}'
JSON = DOCUMENT.encode()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (
            b"\x00\x00\x00\x00\x11" + b"\x0csecret\x08shop",
            ["Confluent wire format, schema id 17", "input.mapping.format"],
        ),
        (b"\x00\x00\x00\x01\x00" + JSON, ["Confluent wire format, schema id 256"]),
        (b"\x00\x00\x00\x00\x05\x00\x0a\x06\xff", ["Confluent wire format, schema id 5"]),
        (b"\x03\x00" + bytes(range(16)) + b"secret", ["AWS Glue"]),
        (b"\xc3\x01" + bytes(range(200, 208)) + b"secret", ["Avro", "fingerprint"]),
        (b"Obj\x01\x04secret\xff", ["Avro container file"]),
        (DOCUMENT.encode("utf-16"), ["UTF-16 with a byte order mark", "UTF-8"]),
        (DOCUMENT.encode("utf-16-le"), ["UTF-16 without"]),
        (DOCUMENT.encode("utf-16-be"), ["UTF-16 without"]),
        ('{"text": "秘密"}'.encode("utf-16-le"), ["UTF-16 without"]),
        (DOCUMENT.encode("utf-32"), ["UTF-32 with a byte order mark"]),
        (DOCUMENT.encode("utf-32-le"), ["UTF-32 without"]),
        (DOCUMENT.encode("utf-32-be"), ["UTF-32 without"]),
        (gzip.compress(JSON, mtime=0), ["gzip", "compression.type"]),
        (zlib.compress(JSON), ["zlib"]),
        (bz2.compress(JSON), ["bzip2"]),
        (lzma.compress(JSON), ["xz"]),
        (b"\x28\xb5\x2f\xfd\x04\x00secret", ["zstd"]),
        (b"\x04\x22\x4d\x18\x40\x40secret", ["LZ4"]),
        (b"\xff\x06\x00\x00sNaPpYsecret", ["snappy"]),
        (b"\x82SNAPPY\x00\x00\x00secret", ["snappy"]),
        (JSON + b"\n" + JSON + b"\r\n" + JSON + b"\n", ["newline-delimited JSON, 3 documents", "a message of its own"]),
        (JSON + JSON, ["side by side, 2 documents"]),
        ((JSON + b"\n") * 1500, ["1000 JSON documents or more"]),
        (JSON + b"\n" + JSON[:-4], ["something stands behind"]),
        (JSON + b" secret", ["something stands behind"]),
        (JSON[:-3], ["cut off"]),
        (JSON[:-1], ["cut off"]),
        ('{"text": "é'.encode()[:-1], ["cut off"]),
        (b"\xef\xbb\xbf\xef\xbb\xbf" + JSON, ["two byte order marks"]),
        (b"\xef\xbb\xbf" + gzip.compress(JSON, mtime=0), ["gzip"]),
        (b" \t\n", ["white space"]),
        (b"\x1e" + JSON, ["RFC 7464"]),
        (base64.b64encode(JSON), ["Base64"]),
        (b"<note>secret</note>", ["XML"]),
        (str(json.loads(DOCUMENT)).encode(), ["single quotes"]),
        (b"[{'text': 'secret'}]", ["single quotes"]),
        (b'{"text": "secret", "seen": None}', ["Python"]),
        (b'{"text": "secret", "score": NaN}', ["NaN"]),
        (b"NaN", ["NaN"]),
        ('{"text": "sécret"}'.encode("latin-1"), ["ISO-8859-1"]),
        (b'{"text": "\xed\xa0\xbd\xed\xb8\x80"}', ["CESU-8"]),
        (b"secret words", ["plain text", "input.mapping.format: text"]),
        (b"Infinity secret", ["plain text"]),
        (b"ORCs are secret", ["plain text"]),
        (b"12 secrets", ["plain text"]),
        (b'"secret" words', ["plain text"]),
        (b"\x0a\x06secret\x12\x04shop", ["binary", "Protobuf"]),
        (b"\x0a\x06secret\xff", ["binary", "Protobuf"]),
    ],
)
def test_a_value_that_is_no_json_is_told_what_it_is_and_what_helps(value: bytes, words: list[str]) -> None:
    decoder = RecordDecoder(InputSettings(topics=["messages"]), "all")
    with pytest.raises(RecordError) as caught:
        decoder.decode(None, value, ())
    assert [word for word in words if word not in caught.value.detail] == []
    assert "secret" not in caught.value.detail
    assert len(caught.value.detail) < 400


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (gzip.compress(JSON, mtime=0), "gzip"),
        (DOCUMENT.encode("utf-16"), "UTF-16"),
        ("sécret words".encode("latin-1"), "ISO-8859-1"),
        (b"\x00\x00\x00\x00\x11\xffsecret", "Confluent wire format, schema id 17"),
        ("秘密".encode()[:-1], "cut off"),
        (b"\x01\xffsecret", "binary"),
    ],
)
def test_a_plain_text_that_is_not_utf8_is_told_what_it_is(value: bytes, words: str) -> None:
    mapping: Any = {"format": "text", "tenant": {"constant": "shop"}}
    decoder = RecordDecoder(InputSettings.model_validate({"topics": ["messages"], "mapping": mapping}), "all")
    with pytest.raises(RecordError, match=words) as caught:
        decoder.decode(None, value, ())
    assert "secret" not in caught.value.detail


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (f"[{DOCUMENT}, {DOCUMENT}]", "a JSON list of 2"),
        (json.dumps(DOCUMENT), "encodes twice"),
        ('"secret words"', "a JSON string"),
        ("17", "a number"),
        ("null", "null"),
        (f'{{"schema": {{}}, "payload": {DOCUMENT}}}', "schemas.enable=false"),
    ],
)
@pytest.mark.parametrize("tenant", [{"field": "tenant"}, {"constant": "shop"}])
def test_json_that_is_no_object_is_told_so_wherever_its_first_field_is_looked_for(
    document: str, words: str, tenant: dict[str, str]
) -> None:
    settings = InputSettings.model_validate({"topics": ["messages"], "mapping": {"tenant": tenant}})
    with pytest.raises(RecordError, match=words) as caught:
        RecordDecoder(settings, "all").decode(None, document.encode(), ())
    assert "secret" not in caught.value.detail


def test_an_object_is_of_a_usual_kind() -> None:
    assert what_shape_it_has({"body": "x"}) is None


@given(st.binary(max_size=80) | st.text(max_size=40).map(str.encode), st.sampled_from(["json", "text"]))
def test_any_bytes_are_described_or_left_alone(value: bytes, wanted: str) -> None:
    told = what_it_is(value, wanted)
    assert told is None or 0 < len(told) < 300


@given(st.recursive(st.none() | st.integers(-9, 9) | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)))
def test_nothing_is_wrong_with_what_can_be_read(value: Any) -> None:
    written = orjson.dumps({"value": value})
    parse_json(written)
    assert what_it_is(written, "json") is None


def test_deep_nesting_is_no_failure_of_the_description() -> None:
    assert what_it_is(b'{"a":' * 100_000, "json") is None
