from hypothesis import given
from hypothesis import strategies as st

from worker.in_flight.key_order import KeyOrder


def test_a_result_waits_for_the_earlier_record_of_its_key():
    order: KeyOrder[str] = KeyOrder()
    order.deliver(b"k", 1)
    order.deliver(b"k", 2)
    assert list(order.finish(b"k", 2, "second")) == []
    assert list(order.finish(b"k", 1, "first")) == ["first", "second"]


def test_other_keys_and_keyless_records_do_not_wait():
    order: KeyOrder[str] = KeyOrder()
    order.deliver(b"a", 1)
    order.deliver(b"b", 2)
    order.deliver(None, 3)
    assert list(order.finish(None, 3, "keyless")) == ["keyless"]
    assert list(order.finish(b"b", 2, "other key")) == ["other key"]


def test_an_empty_key_is_a_key():
    order: KeyOrder[str] = KeyOrder()
    order.deliver(b"", 1)
    order.deliver(b"", 2)
    assert list(order.finish(b"", 2, "second")) == []


@given(st.lists(st.sampled_from([None, b"", b"a", b"b"]), max_size=60), st.randoms(use_true_random=False))
def test_every_result_comes_out_once_and_each_key_in_input_order(keys, random):
    order: KeyOrder[int] = KeyOrder()
    for offset, key in enumerate(keys):
        order.deliver(key, offset)
    finishing = list(enumerate(keys))
    random.shuffle(finishing)
    released = [result for offset, key in finishing for result in order.finish(key, offset, offset)]
    assert sorted(released) == list(range(len(keys)))
    assert len(order) == 0
    for key in {key for key in keys if key is not None}:
        of_key = [offset for offset in released if keys[offset] == key]
        assert of_key == sorted(of_key)
