"""Dead letters as they lie in their topic, what can be told of them, and which are meant. Pure."""

import base64
import re
from dataclasses import dataclass

import orjson
from aiokafka import ConsumerRecord

from schemas import records
from schemas.records import Headers
from worker.errors import DeadLetterToolError

LETTER_HEADERS = frozenset(
    {
        records.HEADER_REASON,
        records.HEADER_ERROR,
        records.HEADER_TENANT,
        records.HEADER_SOURCE_TOPIC,
        records.HEADER_SOURCE_PARTITION,
        records.HEADER_SOURCE_OFFSET,
        records.HEADER_SOURCE_TIMESTAMP_MS,
        records.HEADER_DEAD_LETTERED_AT_MS,
        records.HEADER_VALUE_NULL,
        records.HEADER_VALUE_OMITTED_BYTES,
        records.HEADER_REPLACED_HEADERS,
    }
)
"""What a worker writes on a dead letter."""

REPLAY_HEADERS = frozenset(
    {
        records.HEADER_REPLAYED_FROM,
        records.HEADER_REPLAYED_AT_MS,
        records.HEADER_REPLAYS,
        records.HEADER_ORIGINAL_TIMESTAMP_MS,
    }
)
"""What a replay writes on a record; its next dead letter keeps them, as it keeps all headers."""

_NUMBER = re.compile(r"-?[0-9]{1,18}")
_ID = re.compile(r"(?:(?P<topic>.+)-)?(?P<partition>[0-9]{1,9})-(?P<offset>[0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One record of the dead-letter topic."""

    record: "ConsumerRecord[bytes | None, bytes | None]"
    headers: dict[str, str]

    @classmethod
    def of(cls, record: "ConsumerRecord[bytes | None, bytes | None]") -> "DeadLetter":
        return cls(record, {name: (value or b"").decode(errors="replace") for name, value in record.headers})

    @property
    def place(self) -> tuple[int, int]:
        """Partition and offset in the dead-letter topic."""
        return self.record.partition, self.record.offset

    @property
    def id(self) -> str:
        """topic-partition-offset of the dead letter itself."""
        return f"{self.record.topic}-{self.record.partition}-{self.record.offset}"

    @property
    def reason(self) -> str:
        return self.headers.get(records.HEADER_REASON, "unknown")

    @property
    def tenant(self) -> str | None:
        return self.headers.get(records.HEADER_TENANT)

    @property
    def source(self) -> str:
        """topic-partition-offset of the input record."""
        parts = (records.HEADER_SOURCE_TOPIC, records.HEADER_SOURCE_PARTITION, records.HEADER_SOURCE_OFFSET)
        return "-".join(self.headers.get(part, "?") for part in parts)

    @property
    def at_ms(self) -> int:
        """When it was dead-lettered; the record's own timestamp where the header is not a number."""
        at_ms = self._number(records.HEADER_DEAD_LETTERED_AT_MS)
        return at_ms if at_ms is not None and at_ms >= 0 else self.record.timestamp

    @property
    def source_timestamp_ms(self) -> int | None:
        """The input record's timestamp, also where a replay before could not keep it; None where it is not known."""
        original = self._number(records.HEADER_ORIGINAL_TIMESTAMP_MS)
        return original if original is not None else self._number(records.HEADER_SOURCE_TIMESTAMP_MS)

    @property
    def replays(self) -> int:
        """How often the record was replayed before it became this dead letter."""
        return max(0, self._number(records.HEADER_REPLAYS) or 0)

    def source_headers(self) -> Headers:
        """The input record's headers in their order, less what a replay wrote.

        Raises ValueError or TypeError where the header of those that had to make room is broken.
        """
        found: Headers = [(name, value) for name, value in self.record.headers if name not in LETTER_HEADERS]
        for index, name, encoded in orjson.loads(self.headers.get(records.HEADER_REPLACED_HEADERS, "[]")):
            found.insert(index, (name, None if encoded is None else base64.b64decode(encoded, validate=True)))
        return [(name, value) for name, value in found if name not in REPLAY_HEADERS]

    def as_json(self) -> bytes:
        """One JSON object on one line; what is not UTF-8 stands beside its readable form as Base64."""
        try:
            headers = self.source_headers()
        except (ValueError, TypeError):
            headers = [(name, value) for name, value in self.record.headers if name not in LETTER_HEADERS]
        return orjson.dumps(
            {
                "dead_letter": self.id,
                "reason": self.reason,
                "error": self.headers.get(records.HEADER_ERROR),
                "tenant": self.tenant,
                "source": self.source,
                "source_timestamp_ms": self.source_timestamp_ms,
                "dead_lettered_at_ms": self.at_ms,
                "replays": self.replays,
                **_readable("key", self.record.key),
                **_readable("value", None if records.HEADER_VALUE_NULL in self.headers else self.record.value),
                "headers": [{"name": name, **_readable("value", value)} for name, value in headers],
            }
        )

    def _number(self, header: str) -> int | None:
        written = self.headers.get(header, "")
        return int(written) if _NUMBER.fullmatch(written) else None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which dead letters are meant; an empty filter means all. Times are Unix milliseconds, `until_ms` exclusive."""

    reasons: frozenset[str] = frozenset()
    tenants: frozenset[str] = frozenset()
    since_ms: int | None = None
    until_ms: int | None = None
    places: frozenset[tuple[int, int]] = frozenset()

    def admits(self, letter: DeadLetter) -> bool:
        """Whether the dead letter is meant."""
        return (
            (not self.places or letter.place in self.places)
            and (not self.reasons or letter.reason in self.reasons)
            and (not self.tenants or letter.tenant in self.tenants)
            and (self.since_ms is None or letter.at_ms >= self.since_ms)
            and (self.until_ms is None or letter.at_ms < self.until_ms)
        )


def place_of(identifier: str, topic: str) -> tuple[int, int]:
    """Partition and offset of a dead letter's id; its topic may be left out. Raises DeadLetterToolError."""
    found = _ID.fullmatch(identifier.strip())
    if found is None or found["topic"] not in (None, topic):
        raise DeadLetterToolError(
            f"{identifier!r} is no id of a dead letter of {topic}: such an id is {topic}-3-1042, as `list` and "
            "`export` print it, or 3-1042 (partition and offset)"
        )
    return int(found["partition"]), int(found["offset"])


def _readable(name: str, content: bytes | None) -> dict[str, str | None]:
    if content is None:
        return {name: None}
    try:
        return {name: content.decode()}
    except UnicodeDecodeError:
        return {name: content.decode(errors="replace"), f"{name}_base64": base64.b64encode(content).decode()}
