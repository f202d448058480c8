from support.records import consumer_record

from worker.in_flight.record import bytes_in_memory


def test_what_a_record_holds_in_memory_is_its_key_value_and_headers():
    plain = consumer_record(b"value", key=b"key")
    with_headers = consumer_record(None, key=None, headers=(("name", b"12345"), ("empty", None)))
    assert (bytes_in_memory(plain), bytes_in_memory(with_headers)) == (8, 14)
