import pytest
from support.records import consumer_record

from worker.in_flight.record import bytes_in_memory, replayed_at_ms, waits_since_ms


def test_what_a_record_holds_in_memory_is_its_key_value_and_headers():
    plain = consumer_record(b"value", key=b"key")
    with_headers = consumer_record(None, key=None, headers=(("name", b"12345"), ("empty", None)))
    assert (bytes_in_memory(plain), bytes_in_memory(with_headers)) == (8, 14)


def test_a_replayed_record_waits_since_its_replay_and_any_other_since_its_own_time():
    replayed = consumer_record(timestamp_ms=5, headers=(("gliclass-replayed-at-ms", b"1700000000000"),))
    assert waits_since_ms(replayed) == 1_700_000_000_000
    assert waits_since_ms(consumer_record(timestamp_ms=5)) == 5


@pytest.mark.parametrize("written", [None, b"", b"soon", b"-5", b"1.5", b"\xff", b"9" * 40])
def test_a_time_of_a_replay_that_is_none_counts_for_nothing(written: bytes | None):
    assert replayed_at_ms((("gliclass-replayed-at-ms", written),)) is None
