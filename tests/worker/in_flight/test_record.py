import pytest
from support.records import consumer_record

from worker.in_flight.record import bytes_in_memory, replayed_at_ms, time_or_none, waits_since_ms

NOW_MS = 1_900_000_000_000


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


@pytest.mark.parametrize("timestamp_ms", [946_684_800_000, NOW_MS - 5, NOW_MS, NOW_MS + 86_400_000])
def test_a_time_at_which_something_can_have_been_written_is_taken(timestamp_ms: int):
    assert time_or_none(timestamp_ms, NOW_MS) == timestamp_ms


@pytest.mark.parametrize("timestamp_ms", [-1, 0, NOW_MS // 1000, 946_684_799_999, NOW_MS + 86_400_001, NOW_MS * 1000])
def test_seconds_microseconds_and_no_time_at_all_are_none(timestamp_ms: int):
    assert time_or_none(timestamp_ms, NOW_MS) is None
