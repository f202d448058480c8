"""Header names that are no UTF-8 are read, and so is what stands behind them."""

import pytest
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from hypothesis import given
from hypothesis import strategies as st
from support.header_names import RawName

from worker.kafka.header_names import FetchedRecords

NAMES = st.one_of(st.text(st.characters(exclude_categories=["Cs"])), st.binary().map(RawName))
RECORDS = st.lists(
    st.tuples(
        st.none() | st.binary(max_size=20),
        st.none() | st.binary(max_size=20),
        st.lists(st.tuples(NAMES, st.none() | st.binary(max_size=10)), max_size=3),
    ),
    min_size=1,
    max_size=5,
)


def encoded(records, compression: int = 0, base_offset: int = 0) -> bytes:
    builder = _DefaultRecordBatchBuilderPy(2, compression, False, -1, -1, -1, 1 << 20)
    for number, (key, value, headers) in enumerate(records):
        assert builder.append(number, 1_000 + number, key, value, headers) is not None
    batch = builder.build()
    batch[:8] = base_offset.to_bytes(8, "big")
    return bytes(batch)


def readable(name: str) -> str:
    raw = name.encode()
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("ascii", "replace").replace("\ufffd", "?")


@pytest.mark.parametrize("compression", [0, 1])
@given(first=RECORDS, second=RECORDS)
def test_every_record_is_read_whatever_its_header_names(compression: int, first, second):
    fetched = FetchedRecords(encoded(first, compression) + encoded(second, compression, base_offset=len(first)))
    read = []
    while fetched.has_next():
        batch = fetched.next_batch()
        assert batch.validate_crc()
        read += [(r.offset, r.timestamp, r.key, r.value, [(str(n), v) for n, v in r.headers]) for r in batch]
    assert read == [
        (offset, 1_000 + number, key, value, [(readable(name), content) for name, content in headers])
        for offset, (number, (key, value, headers)) in enumerate([*enumerate(first), *enumerate(second)])
    ]


def test_the_next_record_can_be_asked_for_without_iterating_as_the_fetcher_does_of_control_batches():
    batch = FetchedRecords(encoded([(b"\x00\x00\x00\x01", b"", [])])).next_batch()
    assert not batch.is_control_batch
    assert next(batch).key == b"\x00\x00\x00\x01"


def test_the_end_of_the_records_is_the_end_of_the_batch():
    batch = FetchedRecords(encoded([(b"key", b"value", [(RawName(b"\xff"), b"")])])).next_batch()
    assert [record.headers for record in batch] == [[("?", b"")]]
    with pytest.raises(StopIteration):
        next(batch)
