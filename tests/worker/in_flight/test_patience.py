"""How long a refusal is borne."""

from hypothesis import given
from hypothesis import strategies as st

from worker.in_flight.patience import Patience


def test_a_refusal_that_lasts_is_enough_at_the_limit():
    patience = Patience(10.0)
    assert [patience.refused(now) for now in (100.0, 105.0, 109.9, 110.0)] == [False, False, False, True]


def test_success_begins_anew():
    patience = Patience(10.0)
    patience.refused(0.0)
    patience.succeeded()
    assert not patience.refused(20.0)
    assert patience.refused(30.0)


def test_silence_does_not_count_and_does_not_forgive():
    patience = Patience(10.0)
    patience.refused(0.0)
    patience.refused(6.0)
    patience.unanswered()
    assert not patience.refused(1000.0)
    assert patience.refused(1004.0)


@given(st.lists(st.sampled_from(["refused", "unanswered"]), max_size=50))
def test_brokers_that_never_refuse_twice_in_a_row_are_borne_as_long_as_it_takes(steps: list[str]):
    patience = Patience(1.0)
    for now, step in enumerate(step for each in steps for step in (each, "unanswered")):
        if step == "refused":
            assert not patience.refused(100.0 * now)
        else:
            patience.unanswered()
