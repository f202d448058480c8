import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.in_flight.publish_estimate import LONGEST_SECONDS, PublishEstimate


def test_before_the_first_round_nothing_is_set_aside():
    assert PublishEstimate().seconds == 0


def test_even_rounds_are_estimated_as_they_are():
    estimate = PublishEstimate()
    for _ in range(10):
        estimate.observe(0.06)
    assert estimate.seconds == pytest.approx(0.06)


def test_uneven_rounds_get_a_margin():
    estimate = PublishEstimate()
    for number in range(400):
        estimate.observe(0.02 if number % 2 else 0.06)
    assert 0.06 < estimate.seconds < 0.1


def test_it_follows_a_cluster_that_becomes_slower():
    estimate = PublishEstimate()
    for seconds in [0.005] * 100 + [0.08] * 200:
        estimate.observe(seconds)
    assert estimate.seconds == pytest.approx(0.08, rel=0.1)


@given(st.lists(st.floats(0, 1e6), max_size=50))
def test_an_outage_never_takes_more_than_a_second_of_the_budgets(rounds: list[float]):
    estimate = PublishEstimate()
    for seconds in rounds:
        estimate.observe(seconds)
    assert 0 <= estimate.seconds <= LONGEST_SECONDS
