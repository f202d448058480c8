"""A record as it was read."""

from collections.abc import Sequence
from typing import Protocol


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
