import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from hypothesis import given
from hypothesis import strategies as st

from worker.in_flight.outgoing import Outgoing

headers = st.lists(st.tuples(st.text(max_size=20), st.none() | st.binary(max_size=50)), max_size=5)


@given(st.none() | st.binary(max_size=300), st.binary(max_size=3000), headers)
def test_the_bound_is_never_below_the_encoded_batch(key, value, headers):
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=0, is_transactional=0, producer_id=1, producer_epoch=1, base_sequence=1,
        batch_size=1_000_000,
    )  # fmt: skip
    builder.append(0, timestamp=2**42, key=key, value=value, headers=headers)
    assert Outgoing("out", key, value, headers).wire_bytes >= len(builder.build())


@pytest.mark.parametrize("size", [0, 100_000])
def test_the_bound_is_close(size: int):
    assert Outgoing("out", b"k", b"x" * size, []).wire_bytes <= size + 128
