"""Bytes of Kafka records to what the worker needs of them, and results back to bytes."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from schemas.mapping import InputMapping
from schemas.records import (
    DeadLetterReason,
    EnrichedRecord,
    Headers,
    SourceCoordinates,
)
from schemas.settings import InputSettings
from worker.content.foreign_bytes import what_it_is, what_shape_it_has
from worker.content.json_document import JsonDocument
from worker.content.json_values import (
    ABSENT,
    RecordError,
    SkippedRecordError,
    SkipReason,
    event_time_ms,
    kind_of,
    parse_json,
    utf8,
)
from worker.in_flight.message import DecodedRecord
from worker.in_flight.record import replayed_at_ms

MAX_TENANT_CHARACTERS = 256
MAX_ERROR_CHARACTERS = 1000
JSON_BYTES_PER_TEXT_BYTE = 6
"""JSON needs at most six bytes for one of text, as in \\u0041: a larger value cannot be the fault of its framing."""

_TO_JSON = EnrichedRecord.__pydantic_serializer__.to_json
_PAYLOAD = {"payload"}
_UNREADABLE = (DeadLetterReason.INVALID_JSON, DeadLetterReason.INVALID_UTF8)
_NOTHING_INSIDE = JsonDocument(ABSENT, b"")
_INVISIBLE = r"\s\x00-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff"
_VISIBLE = re.compile(f"[^{_INVISIBLE}]")
_SEARCHED_CHARACTERS = 65_536
"""Searched at a time: a search holds the interpreter's lock, and with it the event loop, from start to end."""


def has_visible_character(text: str) -> bool:
    """False for a text of white space, control characters and invisible marks alone: there is nothing to classify."""
    starts = range(0, len(text), _SEARCHED_CHARACTERS)
    return any(_VISIBLE.search(text, start, start + _SEARCHED_CHARACTERS) for start in starts)


class RecordDecoder:
    """Reads input records as the settings map them."""

    def __init__(self, settings: InputSettings, payload: str | list[str]) -> None:
        self._mapping: InputMapping = settings.mapping
        self._skip = settings.skip
        self._max_text_bytes = settings.max_text_bytes
        self._max_value_bytes = settings.max_text_bytes * JSON_BYTES_PER_TEXT_BYTE
        self._payload = payload

    def decode(
        self, key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes | None]]
    ) -> DecodedRecord:
        """Read one record. Costs nothing worth naming when the value is far too large.

        Raises:
            RecordError: it becomes a dead letter.
            SkippedRecordError: the settings pass it over.
        """
        outside = _Outside(key, dict(headers))
        try:
            return self._decode(outside, value)
        except RecordError as error:
            if value and error.reason in _UNREADABLE and (told := what_it_is(value, self._mapping.format)) is not None:
                error.detail = f"{told} ({error.detail})"
            if error.tenant is None and self._mapping.tenant.field is None:
                error.tenant = self._tenant_or_none(outside)
            raise

    def _decode(self, outside: "_Outside", value: bytes | None) -> DecodedRecord:
        if value is None and self._skip.null_values:
            raise SkippedRecordError(SkipReason.NULL_VALUE)
        if not value:
            detail = "the value is null" if value is None else "the value has no bytes"
            raise RecordError(DeadLetterReason.VALUE_EMPTY, detail)
        if self._mapping.format == "text":
            return self._decode_text(outside, value)
        if len(value) > self._max_value_bytes:
            raise self._too_large(f"the value has {len(value)} bytes")
        parsed, cleaned, replaced = parse_json(value)
        inside = JsonDocument(parsed, cleaned)
        if any(_is_one_of(inside.at(path), values) for path, values in self._skip.fields.items()):
            raise SkippedRecordError(SkipReason.FIELD_VALUE)
        if self._skip.missing_text and not self._found(inside):
            raise SkippedRecordError(SkipReason.MISSING_TEXT)
        tenant = self._tenant(outside, inside)
        try:
            text = self._text(inside)
        except RecordError as error:
            error.tenant = tenant
            raise
        return DecodedRecord(
            text=text,
            tenant=tenant,
            id=self._id(outside, inside),
            event_time_ms=self._event_time(outside, inside),
            payload=self._json_payload(inside, cleaned),
            replaced_characters=replaced,
            replayed_at_ms=replayed_at_ms(outside.headers.items()),
        )

    def _decode_text(self, outside: "_Outside", value: bytes) -> DecodedRecord:
        if len(value) > self._max_text_bytes:
            raise self._too_large(f"the text has {len(value)} bytes")
        text = utf8(value)
        tenant = self._tenant(outside, _NOTHING_INSIDE)
        if not has_visible_character(text):
            raise RecordError(DeadLetterReason.TEXT_EMPTY, "the text has no visible character", tenant)
        payload = orjson.dumps(text) if self._payload == "all" else None
        return DecodedRecord(
            text=text,
            tenant=tenant,
            id=self._id(outside, _NOTHING_INSIDE),
            event_time_ms=self._event_time(outside, _NOTHING_INSIDE),
            payload=payload,
            replaced_characters=0,
            replayed_at_ms=replayed_at_ms(outside.headers.items()),
        )

    def _text(self, inside: JsonDocument) -> str:
        found = self._found(inside)
        if not found:
            where = " or ".join(repr(path) for path in self._mapping.text)
            detail = f"the value ({kind_of(inside.parsed)}) holds nothing at {where}"
            raise RecordError(DeadLetterReason.TEXT_MISSING, _with_shape(detail, inside))
        for path, content in found:
            if not isinstance(content, str):
                raise RecordError(DeadLetterReason.TEXT_NOT_A_STRING, f"{path!r} is {kind_of(content)}, not a string")
        text = self._mapping.separator.join(content for _, content in found if has_visible_character(content))
        if not text:
            raise RecordError(DeadLetterReason.TEXT_EMPTY, "the text has no visible character")
        if len(text) * 4 > self._max_text_bytes and (size := len(text.encode())) > self._max_text_bytes:
            raise self._too_large(f"the text has {size} bytes")
        return text

    def _found(self, inside: JsonDocument) -> list[tuple[str, Any]]:
        paths = self._mapping.text
        return [(path, content) for path in paths if (content := inside.at(path)) not in (ABSENT, None)]

    def _tenant(self, outside: "_Outside", inside: JsonDocument) -> str:
        source = self._mapping.tenant
        if source.constant is not None:
            return source.constant
        if source.field is not None:
            found = inside.name_at(source.field)
            place = f"field {source.field!r}"
        else:
            found, place = outside.at(source.header), f"header {source.header!r}" if source.header else "the key"
        if not isinstance(found, str):
            detail = f"{place} is absent" if found is ABSENT else f"{place} is {kind_of(found)}, not a string"
            if source.field is not None:
                detail = _with_shape(detail, inside)
            raise RecordError(DeadLetterReason.TENANT_MISSING, detail)
        if not found:
            raise RecordError(DeadLetterReason.TENANT_MISSING, f"{place} is empty")
        if len(found) > MAX_TENANT_CHARACTERS:
            detail = f"{place} has {len(found)} characters; a tenant's name has at most {MAX_TENANT_CHARACTERS}"
            raise RecordError(DeadLetterReason.TENANT_UNKNOWN, detail)
        return found

    def _tenant_or_none(self, outside: "_Outside") -> str | None:
        try:
            return self._tenant(outside, _NOTHING_INSIDE)
        except RecordError:
            return None

    def _id(self, outside: "_Outside", inside: JsonDocument) -> str | None:
        source = self._mapping.id
        if source is None:
            return None
        found = inside.name_at(source.field) if source.field is not None else outside.at(source.header)
        return found if isinstance(found, str) else None

    def _event_time(self, outside: "_Outside", inside: JsonDocument) -> int | None:
        source = self._mapping.event_time
        if source is None:
            return None
        found = inside.at(source.field) if source.field is not None else outside.at(source.header)
        return event_time_ms(found, source.unit)

    def _json_payload(self, inside: JsonDocument, cleaned: bytes) -> bytes | None:
        if self._payload == "none":
            return None
        if self._payload == "all":
            return cleaned
        chosen = [path for path in dict.fromkeys(self._payload) if inside.at(path) is not ABSENT]
        return b"{%s}" % b",".join(b"%s:%s" % (orjson.dumps(path), inside.written_at(path)) for path in chosen)

    def _too_large(self, what: str) -> RecordError:
        detail = f"{what}; input.max_text_bytes is {self._max_text_bytes}"
        return RecordError(DeadLetterReason.TEXT_TOO_LARGE, detail)


def _with_shape(detail: str, inside: JsonDocument) -> str:
    shape = what_shape_it_has(inside.parsed)
    return detail if shape is None else f"{detail}; {shape}"


def _is_one_of(found: Any, values: Iterable[Any]) -> bool:
    """JSON's own equality: 1 is not true."""
    return any(type(found) is type(value) and found == value for value in values)


class _Outside:
    """Key and headers: what can be read of a record without its value."""

    __slots__ = ("_key", "headers")

    def __init__(self, key: bytes | None, headers: Mapping[str, bytes | None]) -> None:
        self._key = key
        self.headers = headers

    def at(self, header: str | None) -> Any:
        """The header's last value, or the key's where `header` is None."""
        found = self._key if header is None else self.headers.get(header)
        if found is None:
            return ABSENT
        try:
            return found.decode()
        except UnicodeDecodeError:
            return found


def encode_enriched(record: EnrichedRecord) -> bytes:
    """The JSON of an enriched record. A payload of bytes is JSON already and goes in as it is."""
    # Straight to JSON: through a dictionary of fields it takes twice as long.
    fields = _TO_JSON(record, exclude=_PAYLOAD, exclude_none=True)
    if record.payload is None:
        return fields
    payload = record.payload if isinstance(record.payload, bytes) else orjson.dumps(record.payload)
    return b'%s,"payload":%s}' % (fields[:-1], payload)


def merge_headers(original: Iterable[tuple[str, bytes | None]], ours: Mapping[str, str | None]) -> Headers:
    """The original headers in their order, less any of our names, then those of ours that are not None."""
    kept = [(name, value) for name, value in original if name not in ours]
    return kept + [(name, value.encode(errors="replace")) for name, value in ours.items() if value is not None]


def record_id(source: SourceCoordinates) -> str:
    """What identifies an input record for ever; its duplicates have the same."""
    return f"{source.topic}-{source.partition}-{source.offset}"
