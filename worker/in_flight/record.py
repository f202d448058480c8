"""A record as it was read."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from schemas.records import HEADER_REPLAYED_AT_MS

_LONGEST_TIME = 15  # digits: the year 33658


EARLIEST_MS = 946_684_800_000  # the year 2000
MOST_AHEAD_MS = 86_400_000


class Record(Protocol):
    """What the stream asks of an input record; the Kafka client's own class satisfies it."""

    @property
    def topic(self) -> str: ...

    @property
    def partition(self) -> int: ...

    @property
    def offset(self) -> int: ...

    @property
    def timestamp(self) -> int:
        """Unix milliseconds; 0 or -1 where there is none."""
        ...

    @property
    def key(self) -> bytes | None: ...

    @property
    def value(self) -> bytes | None: ...

    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]: ...


def bytes_in_memory(record: Record) -> int:
    """What a record holds while it is in flight: key, value and headers."""
    headers = sum(len(name) + len(value or b"") for name, value in record.headers)
    return len(record.key or b"") + len(record.value or b"") + headers


def replayed_at_ms(headers: Iterable[tuple[str, bytes | None]]) -> int | None:
    """When a replay sent the record again, in Unix milliseconds; None where none did."""
    written = dict(headers).get(HEADER_REPLAYED_AT_MS) or b""
    return int(written) if written.isdigit() and len(written) <= _LONGEST_TIME else None


def time_or_none(timestamp_ms: int, now_ms: float) -> int | None:
    """Unix milliseconds, where they can be when a record was written; None for -1, 0 and what must be in other units.

    Seconds taken for milliseconds lie in January 1970, microseconds in a far future. A clock that runs ahead by less
    than a day is believed to be one.
    """
    return timestamp_ms if EARLIEST_MS <= timestamp_ms <= now_ms + MOST_AHEAD_MS else None


def waits_since_ms(record: Record) -> int:
    """Unix milliseconds since which a record waits: its replay, which keeps its own time, or else that time."""
    replayed = replayed_at_ms(record.headers)
    return record.timestamp if replayed is None else replayed
