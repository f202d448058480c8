import orjson

from benchmarks.kafka.sleeping import MESSAGE_BYTES, TENANTS, messages


def test_messages_have_a_kilobyte_and_differ():
    values = list(messages(50))
    assert all(0.9 * MESSAGE_BYTES <= len(value) <= 1.1 * MESSAGE_BYTES for value in values)
    assert len({orjson.loads(value)["text"] for value in values}) == 50
    assert len({orjson.loads(value)["tenant"] for value in values}) == TENANTS
