"""Reading JSON values that strangers wrote: parsing, paths, kinds, times. Pure."""

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import orjson

from schemas.records import DeadLetterReason

ABSENT = object()
"""Nothing lies there; null is something else."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LATEST_MS = 253_402_300_799_999  # the year 9999
_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.", re.DOTALL
)
# Each character is looked at a bounded number of times, whatever a stranger wrote: a string without an end is taken
# whole, and no number begins within another.
_STRING_OR_LARGE_NUMBER = re.compile(
    rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)'
    rb"|(?<![\d.])-?(?:(?:0|[1-9]\d*+)(?:\.\d++)?[eE]\+?\d++|[1-9]\d{308,}+(?:\.\d++)?(?:[eE]-\d++)?)",
    re.DOTALL,
)
_PERHAPS_LARGE = re.compile(rb"[eE]\+?\d|(?<!\d)\d{309}")
_KINDS = {str: "a string", bool: "a boolean", int: "a number", float: "a number", list: "a list", dict: "an object"}


class SkipReason(StrEnum):
    """Why a record is passed over; see `SkipRules`."""

    NULL_VALUE = "null_value"
    MISSING_TEXT = "missing_text"
    FIELD_VALUE = "field_value"


class SkippedRecordError(Exception):
    """The settings say that this record is not to be classified."""

    def __init__(self, reason: SkipReason) -> None:
        super().__init__(reason)
        self.reason = reason


class RecordError(Exception):
    """A record that cannot be classified. `detail` says why without any of its text; `tenant` where it was found."""

    def __init__(self, reason: DeadLetterReason, detail: str, tenant: str | None = None) -> None:
        super().__init__(reason, detail, tenant)
        self.reason = reason
        self.detail = detail
        self.tenant = tenant

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"


def parse_json(value: bytes) -> tuple[Any, bytes, int]:
    """The parsed value, the value as valid JSON, and how many halves of surrogate pairs became U+FFFD in both.

    Halves are common: producers cut texts in the middle of an emoji. A number beyond what a float holds is parsed as
    1e308 of its sign. Raises RecordError for anything else that is not JSON in UTF-8, NaN and Infinity included, and
    for nesting that no answer could be written with (254 levels).
    """
    value = value.removeprefix(_BYTE_ORDER_MARK)
    replaced = 0
    try:
        parsed = orjson.loads(value)
    except orjson.JSONDecodeError:
        utf8(value)
        value, replaced = _without_halves(value)
        try:
            parsed = orjson.loads(_without_huge_numbers(value))
        except orjson.JSONDecodeError as error:
            raise RecordError(DeadLetterReason.INVALID_JSON, str(error)) from None
    if value.count(b"[") + value.count(b"{") > 250:
        try:
            orjson.dumps(parsed)
        except orjson.JSONEncodeError:
            raise RecordError(DeadLetterReason.INVALID_JSON, "nested deeper than 254 levels") from None
    return parsed, value, replaced


def at_path(parsed: Any, path: str, members: Callable[[Any], Any] = lambda found: found) -> Any:
    """What lies at a dotted path; ABSENT where nothing does.

    `members` makes an object's dict or a list's list of what is not one yet.
    """
    opened = members(parsed)
    if isinstance(opened, dict) and path in opened:
        return opened[path]
    found = parsed
    for part in path.split("."):
        opened = members(found) if found is not ABSENT else ABSENT
        if isinstance(opened, dict):
            found = opened.get(part, ABSENT)
        elif isinstance(opened, list) and part.removeprefix("-").isdecimal() and len(part) < 10:
            index = int(part)
            found = opened[index] if -len(opened) <= index < len(opened) else ABSENT
        else:
            return ABSENT
    return found


def event_time_ms(found: Any, unit: str) -> int | None:
    """Milliseconds since 1970 UTC from a number, a string of one, or ISO 8601; None for anything else."""
    try:
        if unit == "iso8601":
            moment = datetime.fromisoformat(found)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            milliseconds = moment.timestamp() * 1000
        elif isinstance(found, bool):
            return None
        else:
            milliseconds = float(found) * (1000 if unit == "seconds" else 1)
        return round(milliseconds) if 0 < milliseconds <= _LATEST_MS else None
    except (TypeError, ValueError, OverflowError):
        return None


def utf8(value: bytes) -> str:
    """The text in these bytes, without a byte order mark; raises RecordError."""
    try:
        return value.removeprefix(_BYTE_ORDER_MARK).decode()
    except UnicodeDecodeError as error:
        detail = f"byte {error.start} is not UTF-8: {error.reason}"
        raise RecordError(DeadLetterReason.INVALID_UTF8, detail) from None


def kind_of(found: Any) -> str:
    """What a parsed value is, in words."""
    return "null" if found is None else _KINDS.get(type(found), "bytes that are not UTF-8")


def _without_halves(value: bytes) -> tuple[bytes, int]:
    """JSON whose escapes of surrogate halves became U+FFFD; whole pairs and escaped backslashes stay as they are."""
    replaced = 0

    def replace(match: re.Match[bytes]) -> bytes:
        nonlocal replaced
        if match.group(1) is None:
            return match.group()
        replaced += 1
        return rb"\ufffd"

    return _ESCAPE.sub(replace, value), replaced


def _without_huge_numbers(value: bytes) -> bytes:
    """JSON whose numbers all fit into a float: orjson refuses others, which are JSON all the same."""

    def replace(match: re.Match[bytes]) -> bytes:
        written = match.group()
        if written.startswith(b'"') or not math.isinf(float(written)):
            return written
        return b"-1e308" if written.startswith(b"-") else b"1e308"

    return _STRING_OR_LARGE_NUMBER.sub(replace, value) if _PERHAPS_LARGE.search(value) else value
