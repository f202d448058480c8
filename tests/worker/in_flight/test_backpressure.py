import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.in_flight.backpressure import Backpressure, Load

HIGH = Load(queued_seconds=2.0, messages=1000, bytes=1_000_000)
LOW = Load(queued_seconds=1.0, messages=500, bytes=500_000)
NOTHING = Load(0.0, 0, 0)


@pytest.mark.parametrize("load", [Load(2.0, 0, 0), Load(0.0, 1000, 0), Load(0.0, 0, 1_000_000)])
def test_any_limit_alone_holds_consumption_back(load: Load):
    assert Backpressure(HIGH, LOW).holds(load)


def test_between_the_waters_it_stays_as_it_was():
    backpressure = Backpressure(HIGH, LOW)
    between = Load(1.5, 700, 700_000)
    assert not backpressure.holds(between)
    assert backpressure.holds(Load(2.5, 0, 0))
    assert backpressure.holds(between)
    assert not backpressure.holds(NOTHING)
    assert not backpressure.holds(between)


def test_partitions_compete_from_the_first_hold_until_half_the_low_water():
    backpressure = Backpressure(HIGH, LOW)
    loads = [Load(1.9, 0, 0), Load(2.1, 0, 0), Load(0.9, 0, 0), Load(0.4, 400, 0), Load(0.4, 200, 0), Load(1.9, 0, 0)]
    crowded = []
    for load in loads:
        backpressure.holds(load)
        crowded.append(backpressure.crowded)
    assert crowded == [False, True, True, True, False, False]


@given(st.lists(st.builds(Load, st.floats(0, 4), st.integers(0, 2000), st.integers(0, 2_000_000))))
def test_it_never_holds_back_an_empty_worker(loads):
    backpressure = Backpressure(HIGH, LOW)
    for load in loads:
        backpressure.holds(load)
    assert not backpressure.holds(NOTHING)
    assert not backpressure.crowded
