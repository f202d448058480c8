import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.in_flight.flood_limit import FloodLimit


@pytest.fixture
def limit() -> FloodLimit:
    return FloodLimit(0.2, 300.0, 100)


def test_a_few_dead_letters_never_exceed_however_large_their_share(limit: FloodLimit):
    assert not limit.count(99, 99, 0.0)
    assert limit.count(1, 1, 1.0)


def test_many_dead_letters_are_fine_while_their_share_is_small(limit: FloodLimit):
    assert not limit.count(1000, 200, 0.0)
    assert limit.count(1, 1, 0.0)


def test_what_lies_before_the_window_is_forgotten(limit: FloodLimit):
    limit.count(99, 99, 0.0)
    assert not limit.count(50, 50, 300.0)
    assert (limit.results, limit.dead_letters) == (50, 50)


def test_a_share_of_one_is_never_exceeded():
    assert not FloodLimit(1.0, 300.0, 1).count(1000, 1000, 0.0)


@given(st.lists(st.tuples(st.floats(0, 200), st.integers(0, 50), st.integers(0, 50)), max_size=50))
def test_the_counts_are_those_of_the_window_give_or_take_a_step(steps: list[tuple[float, int, int]]):
    limit, now, seen = FloodLimit(0.2, 60.0, 100), 0.0, []
    for wait, good, dead in steps:
        now += wait
        limit.count(good + dead, dead, now)
        seen.append((now, good + dead))
        assert sum(count for at, count in seen if at > now - 58) <= limit.results
        assert limit.results <= sum(count for at, count in seen if at > now - 60 - 1e-6)
