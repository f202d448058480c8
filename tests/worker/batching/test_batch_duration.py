"""The batch duration: from budgets, load and the cost of a batch, without feedback from latency."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.batching.batch_duration import BatchDuration

FIXED, LONGEST = 0.005, 0.07


def settled(
    budgets: dict[str, float], load: float, *, late: bool = False, fixed: float = FIXED, longest: float = LONGEST
) -> BatchDuration:
    """After five seconds of this load, spread evenly over tenants with these budgets."""
    duration = BatchDuration()
    seconds = load * 0.01 / len(budgets)
    for tick in range(500):
        now = tick * 0.01
        for tenant, budget in budgets.items():
            duration.arrived(tenant, 1.0, budget, -1.0 if late else budget, seconds)
        duration.update(now, fixed, longest, 1.05)
    return duration


def test_before_anything_arrived_the_longest_is_allowed():
    assert BatchDuration().update(0.0, FIXED, LONGEST, 1.05) == LONGEST


def test_it_measures_the_arriving_load():
    duration = settled({"a": 1.0, "b": 1.0}, 0.6)
    assert duration.load == pytest.approx(0.6, rel=0.02)


def test_a_tight_budget_can_wait_for_one_batch_and_ride_one():
    assert 2.0 * settled({"tight": 0.06, "loose": 2.0}, 0.5).seconds <= 0.06


def test_loose_budgets_allow_the_longest_batch():
    assert settled({"loose": 2.0}, 0.5).seconds == pytest.approx(LONGEST)


def test_under_a_load_that_short_batches_cannot_carry_it_chooses_longer_ones():
    budgets = {"tight": 0.06, **{f"loose {n}": 1.0 for n in range(9)}}
    relaxed, loaded = settled(budgets, 0.6).seconds, settled(budgets, 0.9).seconds
    assert relaxed < 0.03
    assert loaded > 1.2 * relaxed


def test_a_tight_budget_is_not_given_up_however_great_the_overload():
    budgets = {f"{budget}": budget for budget in (0.06, 0.12, 0.25, 0.5, 1.0)}
    assert settled(budgets, 2.0).seconds < 0.05


def test_what_one_tenant_sends_beyond_its_share_does_not_lengthen_the_batches_of_the_others():
    def duration_beside(flood: float) -> float:
        duration = BatchDuration()
        for tick in range(500):
            for tenant in ("a", "b", "c"):
                duration.arrived(tenant, 1.0, 0.06, 0.06, 0.001)
            duration.arrived("flood", 1.0, 1.0, 1.0, 0.01 * flood)
            duration.update(tick * 0.01, FIXED, LONGEST, 1.05)
        return duration.seconds

    assert duration_beside(8.0) == pytest.approx(duration_beside(1.5), rel=0.1)


def test_a_growing_lag_does_not_shorten_the_batches_that_would_clear_it():
    late, fresh = settled({"a": 0.2, "b": 1.0}, 0.9, late=True).seconds, settled({"a": 0.1, "b": 0.5}, 0.9).seconds
    assert late == pytest.approx(fresh, rel=0.05)


def test_it_moves_at_most_twice_a_second_and_not_for_small_changes():
    duration = BatchDuration()
    chosen = []
    for tick in range(1000):
        budget = 0.06 if tick % 2 else 0.6
        duration.arrived("a", 1.0, budget, budget, 0.005)
        duration.update(tick * 0.01, FIXED, LONGEST, 1.05)
        chosen.append(duration.seconds)
    moves = [tick for tick in range(1, 1000) if chosen[tick] != chosen[tick - 1]]
    assert all(later - earlier >= 50 for earlier, later in itertools.pairwise(moves))


def test_a_tenant_that_went_quiet_is_forgotten():
    duration = settled({"tight": 0.06}, 0.5)
    assert duration.seconds < 0.04
    for tick in range(500, 4500):
        duration.arrived("loose", 1.0, 2.0, 2.0, 0.005)
        duration.update(tick * 0.01, FIXED, LONGEST, 1.05)
    assert duration.seconds == pytest.approx(LONGEST)


def test_arrivals_return_the_mean_cost_of_their_tenant():
    duration = BatchDuration()
    assert duration.arrived("a", 1.0, 1.0, 1.0, 0.004) == 0.004
    duration.arrived("a", 1.0, 1.0, 1.0, 0.002)
    duration.update(1.0, FIXED, LONGEST, 1.05)
    assert duration.arrived("a", 1.0, 1.0, 1.0, 0.1) == pytest.approx(0.003)


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.floats(0.1, 10), st.floats(-1, 5), st.floats(-5, 5), st.floats(0, 1)),
        min_size=1,
        max_size=50,
    ),
    st.floats(0.0, 0.1),
    st.floats(1e-4, 3.0),
)
def test_whatever_arrives_it_stays_between_the_shortest_and_the_longest(
    arrivals: list[tuple[str, float, float, float, float]], fixed: float, longest: float
):
    duration = BatchDuration()
    for number, (tenant, weight, budget, slack, seconds) in enumerate(arrivals):
        duration.arrived(tenant, weight, budget, slack, seconds)
        chosen = duration.update(number * 0.07, fixed, longest, 1.2)
        assert min(1e-3, longest) <= chosen <= longest
