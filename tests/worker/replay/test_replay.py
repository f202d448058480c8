"""What a replayed record looks like."""

from support.records import consumer_record

from worker.replay.letters import HEADER_REPLAYED_FROM, DeadLetter
from worker.replay.replay import replayed


def test_a_replayed_record_is_the_input_record_with_where_it_comes_from():
    headers = (("a", b"1"), ("gliclass-reason", b"late"), ("a", None), ("gliclass-source-topic", b"in"))
    letter = DeadLetter.of(consumer_record(b"\xff{", key=b"\x00", headers=headers, offset=3))
    outgoing = replayed(letter, "in")
    assert (outgoing.topic, outgoing.key, outgoing.value) == ("in", b"\x00", b"\xff{")
    assert outgoing.headers == [("a", b"1"), ("a", None), (HEADER_REPLAYED_FROM, b"in-0-3")]
