"""A JSON value beside how each part of it is written: digits, escapes and doubled keys stay when it is copied. Pure."""

from json import JSONDecoder
from typing import Any

import orjson

from worker.content.json_values import ABSENT, at_path

_Span = tuple[int, int]
_WHITE_SPACE = " \t\n\r"
_READER = JSONDecoder(parse_int=str, parse_float=str)  # finds where values end; str, as int() refuses 4,301 digits


class JsonDocument:
    """A value that was parsed, and the valid JSON in UTF-8 that it was parsed from."""

    __slots__ = ("_escapes", "_members", "_text", "_written", "parsed")

    def __init__(self, parsed: Any, written: bytes) -> None:
        self.parsed = parsed
        self._written = written
        self._escapes = b"\\" in written
        self._text = ""
        self._members: dict[_Span, Any] = {}

    def at(self, path: str) -> Any:
        """What lies at a dotted path; ABSENT where nothing does."""
        return at_path(self.parsed, path)

    def name_at(self, path: str) -> Any:
        """As `at`, a whole number as the digits it is written with: an id may have more of them than a float keeps."""
        found = at_path(self.parsed, path)
        if type(found) is int or type(found) is float:
            digits = self.written_at(path).decode()
            return digits if digits.removeprefix("-").isdecimal() else found
        return found

    def written_at(self, path: str) -> bytes:
        """The JSON at a path as it is written. Raises LookupError where nothing lies there."""
        found = at_path(self.parsed, path)
        if found is ABSENT:
            raise LookupError(path)
        if self._is_written_one_way(found):
            return orjson.dumps(found)
        if not self._text:
            self._text = self._written.decode()
        start, end = at_path(self._whole(), path, members=self._members_of)
        return self._text[start:end].encode()

    def _is_written_one_way(self, found: Any) -> bool:
        """Whether encoding what was parsed gives the bytes that were read: looking for them costs ten times as much."""
        if type(found) is int:
            return found != 0  # -0
        return found is None or isinstance(found, bool) or (isinstance(found, str) and not self._escapes)

    def _whole(self) -> _Span:
        start = self._behind_white_space(0)
        return start, _READER.raw_decode(self._text, start)[1]

    def _members_of(self, span: _Span) -> Any:
        """Spans by key of an object, in order of a list, and the span itself of anything else."""
        opening = self._text[span[0]]
        if opening not in "{[":
            return span
        if span not in self._members:
            self._members[span] = self._object(span[0]) if opening == "{" else self._list(span[0])
        return self._members[span]

    def _object(self, start: int) -> dict[str, _Span]:
        members: dict[str, _Span] = {}
        position = self._behind_white_space(start + 1)
        while self._text[position] != "}":
            key, position = _READER.raw_decode(self._text, position)
            value = self._behind_white_space(self._behind_white_space(position) + 1)  # behind the colon
            _, position = _READER.raw_decode(self._text, value)
            members[key] = value, position
            position = self._behind_comma(position)
        return members

    def _list(self, start: int) -> list[_Span]:
        elements: list[_Span] = []
        position = self._behind_white_space(start + 1)
        while self._text[position] != "]":
            _, end = _READER.raw_decode(self._text, position)
            elements.append((position, end))
            position = self._behind_comma(end)
        return elements

    def _behind_comma(self, position: int) -> int:
        position = self._behind_white_space(position)
        return self._behind_white_space(position + 1) if self._text[position] == "," else position

    def _behind_white_space(self, position: int) -> int:
        while self._text[position] in _WHITE_SPACE:
            position += 1
        return position
