"""What bytes are that are not what the mapping expects, and what helps. Nothing of their content is repeated. Pure."""

import re
from json import JSONDecodeError, JSONDecoder
from typing import Any

import orjson

from worker.content.json_values import kind_of

UTF8_MARK = b"\xef\xbb\xbf"
MOST_DOCUMENTS_COUNTED = 1000
_CONFLUENT_BYTES = 5  # a zero and the schema's id
_GLUE_VERSION, _GLUE_BYTES = 3, 18  # version, compression, and the schema version's UUID
_WHITE_SPACE = " \t\r\n"

_ENCODING = "{}: write UTF-8 at the producer"
_COMPRESSED = "compressed with {}: let the Kafka client compress (compression.type), not the application"
_FILE = "{}: write one record of JSON as one message"
_REGISTRY = (
    "{}: no input.mapping.format reads it; write plain JSON at the producer, with a serializer that needs no registry"
)
_BINARY = (
    "binary, without a signature that tells what it is (Protobuf, and Avro without a registry, have none): "
    "write JSON at the producer"
)
_PLAIN = "plain text: set input.mapping.format: text"
_BINARY_KINDS = (
    (b"\xff\xfe\x00\x00", "UTF-32 with a byte order mark", _ENCODING),
    (b"\x00\x00\xfe\xff", "UTF-32 with a byte order mark", _ENCODING),
    (b"\xff\xfe", "UTF-16 with a byte order mark", _ENCODING),
    (b"\xfe\xff", "UTF-16 with a byte order mark", _ENCODING),
    (b"\x1f\x8b", "gzip", _COMPRESSED),
    (b"\x28\xb5\x2f\xfd", "zstd", _COMPRESSED),
    (b"\x04\x22\x4d\x18", "LZ4", _COMPRESSED),
    (b"\xff\x06\x00\x00sNaPpY", "snappy", _COMPRESSED),
    (b"\x82SNAPPY\x00", "snappy", _COMPRESSED),
    (b"\x78\x01", "zlib", _COMPRESSED),
    (b"\x78\x9c", "zlib", _COMPRESSED),
    (b"\x78\xda", "zlib", _COMPRESSED),
    (b"BZh", "bzip2", _COMPRESSED),
    (b"\xfd7zXZ\x00", "xz", _COMPRESSED),
    (b"PK\x03\x04", "a ZIP archive", _FILE),
    (b"Obj\x01", "an Avro container file", _FILE),
    (b"PAR1", "a Parquet file", _FILE),
    (b"ORC", "an ORC file", _FILE),
    (b"\xc3\x01", "Avro with its schema's fingerprint (single-object encoding)", _REGISTRY),
    (b"\xac\xed\x00\x05", "a serialized Java object", _FILE),
)
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_BASE64 = re.compile(rb"(?:eyJ|W3s|W1s|H4sI)[A-Za-z0-9+/_-]+={0,2}\s*")
_SINGLE_QUOTES = re.compile(r"[\[{\s]*+(?<=[\[{\s])'")
_SURROGATE = re.compile(rb"\xed[\xa0-\xbf]")


class _NotANumberError(ValueError):
    pass


def _refuse_constant(name: str) -> Any:
    raise _NotANumberError(name)


_READER = JSONDecoder(parse_int=str, parse_float=str, parse_constant=_refuse_constant)


def what_it_is(value: bytes, wanted: str) -> str | None:
    """What a value is that could not be read as `wanted` (`json` or `text`), with what helps; None: nothing to add."""
    value = value.removeprefix(UTF8_MARK)
    known = _wide_characters(value) or _signature(value) or _registry(value)
    if known is not None:
        return known
    try:
        text = value.decode()
    except UnicodeDecodeError as error:
        return _not_utf8(value, error, wanted)
    return _not_json(value, text) if wanted == "json" else None


def what_shape_it_has(parsed: Any) -> str | None:
    """Why no path leads anywhere in a JSON value; None where it is an object of a usual kind."""
    if isinstance(parsed, dict):
        if parsed.keys() == {"schema", "payload"}:
            return (
                "it is an envelope of Kafka Connect: set schemas.enable=false at the producer, or let the paths of "
                "input.mapping begin with payload."
            )
        return None
    if isinstance(parsed, list):
        return (
            f"it is a JSON list of {len(parsed)}: write one object as one message, or let the paths of input.mapping "
            "begin with the element's number"
        )
    if isinstance(parsed, str):
        if _is_json(parsed) and parsed.lstrip(_WHITE_SPACE).startswith(("{", "[")):
            return "it is a JSON string that holds JSON: the producer encodes twice, so leave one out"
        return "it is a JSON string: write an object, or plain text with input.mapping.format: text"
    return f"it is {kind_of(parsed)}: write an object"


def _wide_characters(value: bytes) -> str | None:
    """UTF-16 and UTF-32 without a mark, told by where the zeros of the first, ASCII, characters lie."""
    zeros = [byte == 0 for byte in value[:8]]
    if any(byte != 0 and not _is_ascii(byte) for byte in value[: 8 if _in_fours(zeros) else 4]):
        return None
    if _in_fours(zeros):
        return _ENCODING.format("UTF-32 without a byte order mark")
    if zeros[:4] in ([False, True, False, True], [True, False, True, False]):
        return _ENCODING.format("UTF-16 without a byte order mark")
    return None


def _in_fours(zeros: list[bool]) -> bool:
    return zeros in ([False, True, True, True] * 2, [True, True, True, False] * 2)


def _is_ascii(byte: int) -> bool:
    return 0x20 <= byte < 0x7F or byte in b"\t\r\n"


def _signature(value: bytes) -> str | None:
    for prefix, name, advice in _BINARY_KINDS:
        # A text may begin with the letters of a signature, and then has no control characters.
        if value.startswith(prefix) and (not prefix.isascii() or _CONTROL.search(value)):
            return advice.format(name)
    return None


def _registry(value: bytes) -> str | None:
    if len(value) > _CONFLUENT_BYTES and value[0] == 0:
        schema_id = int.from_bytes(value[1:_CONFLUENT_BYTES])
        return _REGISTRY.format(f"Confluent wire format, schema id {schema_id}")
    if len(value) > _GLUE_BYTES and value[0] == _GLUE_VERSION and value[1] in (0, 5):
        return _REGISTRY.format("the wire format of AWS Glue's schema registry")
    return None


def _not_utf8(value: bytes, error: UnicodeDecodeError, wanted: str) -> str:
    if error.reason == "unexpected end of data":
        return "it ends within a character: it was cut off by its bytes"
    if _CONTROL.search(value):
        return _BINARY
    if _SURROGATE.search(value):
        return _ENCODING.format("CESU-8, halves of surrogate pairs as characters")
    if wanted == "text" or _is_json(value.decode("latin-1")):
        return _ENCODING.format("another encoding, such as ISO-8859-1 or Windows-1252")
    return "neither JSON nor UTF-8: write JSON in UTF-8 at the producer"


def _not_json(value: bytes, text: str) -> str | None:
    start = _behind_white_space(text, 0)
    if start == len(text):
        return "nothing but white space"
    if text.startswith("\ufeff"):
        return "it begins with two byte order marks: write one, or none"
    if text[start] == "\x1e":
        return "a JSON text sequence (RFC 7464): write one document as one message"
    if _BASE64.fullmatch(value):
        return "Base64: write what it encodes"
    if text[start] == "<":
        return "XML or HTML: write JSON at the producer, or set input.mapping.format: text to classify it as it is"
    if _SINGLE_QUOTES.match(text, start):
        return "single quotes, as Python prints a dict: write JSON (json.dumps) at the producer"
    try:
        _, end = _READER.raw_decode(text, start)
    except _NotANumberError as error:
        is_json = text[start] in "{[" or text.strip(_WHITE_SPACE) == str(error)
        return "NaN or Infinity, which JSON does not have: write null" if is_json else _PLAIN
    except JSONDecodeError as error:
        return _broken(value, text, start, error)
    except RecursionError:
        return None
    return _several_documents(text, start, end)


def _broken(value: bytes, text: str, start: int, error: JSONDecodeError) -> str | None:
    cut_off = error.msg.startswith("Unterminated string") or error.pos >= len(text.rstrip(_WHITE_SPACE))
    if text[start] not in '{["' or (text[start] == '"' and not cut_off):
        return _BINARY if _CONTROL.search(value) else _PLAIN
    if cut_off:
        return "it ends within the document: it was cut off"
    if text.startswith(("None", "True", "False"), error.pos):
        return "None, True or False, as Python prints a dict: write JSON (json.dumps) at the producer"
    return None


def _several_documents(text: str, start: int, end: int) -> str | None:
    if _behind_white_space(text, end) == len(text):
        return None
    documents = 1
    while documents < MOST_DOCUMENTS_COUNTED:
        following = _behind_white_space(text, end)
        if following == len(text):
            kind = "newline-delimited JSON" if "\n" in text.strip(_WHITE_SPACE) else "JSON documents side by side"
            return f"{kind}, {documents} documents in one value: write each as a message of its own"
        try:
            _, end = _READER.raw_decode(text, following)
        except (ValueError, RecursionError):
            break
        documents += 1
    if documents > 1:
        return f"{documents} JSON documents or more in one value: write each as a message of its own"
    return "something stands behind the JSON document" if text[start] in "{[" else _PLAIN


def _behind_white_space(text: str, position: int) -> int:
    while position < len(text) and text[position] in _WHITE_SPACE:
        position += 1
    return position


def _is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True
