"""Header names that are no UTF-8: aiokafka raises at such a record at every fetch, and nothing behind it is ever read.

Other clients write them: librdkafka takes any bytes. Here each byte that cannot be read becomes `?`.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any, Self

from aiokafka.consumer import fetcher
from aiokafka.record._protocols import DefaultRecordProtocol
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import _MemoryRecordsPy
from aiokafka.record.util import decode_varint


def read_any_header_name() -> None:
    """Let every consumer of this process go on behind such a record."""
    fetcher.MemoryRecords = FetchedRecords


class FetchedRecords(_MemoryRecordsPy):  # pyright: ignore[reportGeneralTypeIssues]
    """The batches of one fetched partition, as the fetcher asks for them."""

    def next_batch(self) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """A batch of the current format as a `FetchedBatch`, an older one as it is: that has no headers."""
        encoded = self._next_slice
        batch = super().next_batch()
        return batch if encoded is None or encoded[self.MAGIC_OFFSET] < 2 else FetchedBatch(encoded, batch)


class FetchedBatch:
    """A batch that aiokafka's compiled reader reads, up to the first header name that it refuses."""

    def __init__(self, encoded: memoryview, batch: Any) -> None:
        self._encoded = encoded
        self._batch = batch
        self._records: Iterator[DefaultRecordProtocol] = batch
        self._read = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __iter__(self) -> Self:
        self._records = iter(self._batch)
        return self

    def __next__(self) -> DefaultRecordProtocol:
        try:
            record = next(self._records)
        except UnicodeDecodeError:
            self._records = islice(with_readable_header_names(self._encoded), self._read, None)
            record = next(self._records)
        self._read += 1
        return record


def with_readable_header_names(encoded: memoryview) -> Iterator[DefaultRecordProtocol]:
    """Every record of an encoded batch (magic 2), from its first."""
    batch = iter(_DefaultRecordBatchPy(encoded))
    buffer, position = batch._buffer, batch._pos
    for _ in range(batch._num_records):
        _, position = decode_varint(buffer, position)
        for _ in ("attributes", "timestamp", "offset"):
            _, position = decode_varint(buffer, position)
        for _ in ("key", "value"):
            position = _behind_bytes(buffer, position)
        headers, position = decode_varint(buffer, position)
        for _ in range(headers):
            size, position = decode_varint(buffer, position)
            buffer[position : position + size] = _readable(bytes(buffer[position : position + size]))
            position = _behind_bytes(buffer, position + size)
    return batch


def _behind_bytes(buffer: bytearray, position: int) -> int:
    size, position = decode_varint(buffer, position)
    return position + max(0, size)


def _readable(name: bytes) -> bytes:
    """The name, or one of the same length: the lengths around it stay true."""
    try:
        name.decode()
    except UnicodeDecodeError:
        return bytes(byte if byte < 0x80 else ord("?") for byte in name)
    return name
