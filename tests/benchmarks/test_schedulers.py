"""What is made of the rounds of a real-time replay, and which budgets it gives."""

import pytest

from benchmarks.schedulers import Point, figures, tenants_for
from benchmarks.simulator.contenders import OURS


def test_figures_pair_the_policies_of_the_same_round():
    points = [
        Point("packed", 0.8, OURS, 0, 90.0),
        Point("packed", 0.8, "tei", 0, 60.0),
        Point("packed", 0.8, "bentoml", 0, 45.0),
        Point("packed", 0.8, OURS, 1, 80.0),
        Point("packed", 0.8, "tei", 1, 40.0),
        Point("packed", 0.8, "bentoml", 1, 80.0),
    ]
    measured = figures(points, (OURS, "tei", "bentoml"))
    assert measured["packed_ours_on_time_0.80"] == 85.0
    assert measured["packed_ours_to_best_peer_0.80"] == 1.25
    assert (measured["packed_ours_to_best_peer_0.80_lowest"], measured["packed_ours_to_best_peer_0.80_highest"]) == (
        1.0,
        1.5,
    )
    assert measured["packed_rounds_kept_0.80"] == 2


def test_budgets_grow_with_the_cost_of_a_message_and_keep_their_order():
    fast, slow = tenants_for(0.0001), tenants_for(0.05)
    assert min(tenant.latency_budget_seconds for tenant in fast) == pytest.approx(0.25)
    assert min(tenant.latency_budget_seconds for tenant in slow) == pytest.approx(0.8)
    order = [tenant.latency_budget_seconds for tenant in slow]
    assert sorted(range(5), key=order.__getitem__) == sorted(
        range(5), key=[tenant.latency_budget_seconds for tenant in fast].__getitem__
    )
