"""What a replayed record looks like."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.records import consumer_record

from schemas import records
from schemas.records import DeadLetterReason
from worker.content.dead_letters import DeadLetters
from worker.in_flight.outgoing import Outgoing
from worker.replay.letters import DeadLetter
from worker.replay.replay import replayed
from worker.telemetry.tracing import NOT_TRACED

MARKS = ["gliclass-replayed-from", "gliclass-replayed-at-ms", "gliclass-replays"]

header_names = st.sampled_from(["a", "b", "gliclass-reason", "gliclass-tenant", "gliclass-replaced-headers", "é"])
headers_of_producers = st.lists(st.tuples(header_names, st.none() | st.binary(max_size=6)), max_size=8).map(tuple)


def letter_of(source) -> DeadLetter:
    result = DeadLetters("dead", 10**6).of(source, DeadLetterReason.LATE, "why", NOT_TRACED, tenant="shop")
    (outgoing,) = result.outgoing
    return DeadLetter.of(consumer_record(outgoing.value, key=outgoing.key, headers=tuple(outgoing.headers), offset=3))


def sent_again(letter: DeadLetter, *, timestamp_kept: bool = True) -> Outgoing:
    return replayed(letter, "in", timestamp_kept=timestamp_kept, now_ms=9000)


def test_a_replayed_record_is_the_input_record_with_what_says_that_it_was_replayed():
    headers = (("a", b"1"), ("gliclass-reason", b"late"), ("a", None), ("gliclass-source-topic", b"in"))
    letter = DeadLetter.of(consumer_record(b"\xff{", key=b"\x00", headers=headers, offset=3))
    outgoing = sent_again(letter)
    assert (outgoing.topic, outgoing.key, outgoing.value) == ("in", b"\x00", b"\xff{")
    marks = [(MARKS[0], b"in-0-3"), (MARKS[1], b"9000"), (MARKS[2], b"1")]
    assert outgoing.headers == [("a", b"1"), ("a", None), *marks]


@given(st.none() | st.binary(max_size=4), st.none() | st.binary(max_size=4), headers_of_producers)
def test_key_value_and_headers_come_back_whatever_a_producer_wrote(key, value, headers):
    letter = letter_of(consumer_record(value, key=key, headers=headers, timestamp_ms=1234))
    outgoing = sent_again(letter)
    assert (outgoing.key, outgoing.value) == (key, value)
    assert outgoing.headers[:-3] == list(headers)
    assert [name for name, _ in outgoing.headers[-3:]] == MARKS
    assert letter.source_timestamp_ms == 1234


def test_each_replay_counts_and_only_the_last_one_is_marked():
    source = consumer_record(headers=(("a", b"1"),), timestamp_ms=1234)
    for count in (1, 2, 3):
        letter = letter_of(source)
        assert letter.replays == count - 1
        outgoing = sent_again(letter)
        assert dict(outgoing.headers)["gliclass-replays"] == b"%d" % count
        assert [name for name, _ in outgoing.headers] == ["a", *MARKS]
        source = consumer_record(outgoing.value, key=outgoing.key, headers=tuple(outgoing.headers), timestamp_ms=1234)


def test_a_timestamp_that_could_not_be_kept_is_not_forgotten_by_the_next_replay():
    outgoing = sent_again(letter_of(consumer_record(timestamp_ms=1234)), timestamp_kept=False)
    assert dict(outgoing.headers)[records.HEADER_ORIGINAL_TIMESTAMP_MS] == b"1234"
    again = letter_of(consumer_record(headers=tuple(outgoing.headers), timestamp_ms=9000))
    assert again.source_timestamp_ms == 1234
    assert records.HEADER_ORIGINAL_TIMESTAMP_MS not in dict(sent_again(again).headers)


@pytest.mark.parametrize("written", [b"many", b"-4", b"", b"9" * 40])
def test_a_count_that_is_none_starts_anew(written: bytes):
    letter = letter_of(consumer_record(headers=(("gliclass-replays", written),)))
    assert letter.replays == 0
    assert dict(sent_again(letter).headers)["gliclass-replays"] == b"1"
