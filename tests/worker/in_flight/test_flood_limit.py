import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.in_flight.flood_limit import MOST_TENANTS, FloodLimit


@pytest.fixture
def limit() -> FloodLimit:
    return FloodLimit(0.2, 300.0, 100)


def stops(limit: FloodLimit, read: dict[str | None, int], dead: dict[str | None, int], now: float = 0.0) -> bool:
    limit.read(read, now)
    limit.die(dead, now)
    return limit.flood(now).exceeded


def test_a_few_dead_letters_never_exceed_however_large_their_share(limit: FloodLimit):
    assert not stops(limit, {None: 99}, {None: 99})
    assert stops(limit, {None: 1}, {None: 1}, 1.0)


def test_many_dead_letters_are_fine_while_their_share_is_small(limit: FloodLimit):
    assert not stops(limit, {"a": 1000}, {"a": 200})
    assert stops(limit, {"a": 1}, {"a": 1})


def test_what_lies_before_the_window_is_forgotten(limit: FloodLimit):
    stops(limit, {None: 99}, {None: 99}, 0.0)
    assert not stops(limit, {None: 50}, {None: 50}, 300.0)
    flood = limit.flood(300.0)
    assert (flood.read, flood.dead) == (50, 50)


def test_a_share_of_one_is_never_exceeded():
    assert not stops(FloodLimit(1.0, 300.0, 1), {None: 1000}, {None: 1000})


def test_what_was_read_counts_before_it_is_done(limit: FloodLimit):
    limit.read({"a": 1000}, 0.0)
    limit.die({"a": 150}, 1.0)
    assert not limit.flood(1.0).exceeded


def test_one_tenant_whose_producer_is_broken_stops_nobody_and_is_named(limit: FloodLimit):
    assert not stops(limit, {"broken": 5000, "good": 1000, "other": 10}, {"broken": 3000, "good": 10})
    flood = limit.flood(0.0)
    assert flood.tenants == ("broken",)
    assert (flood.read, flood.dead) == (1010, 10)


def test_a_tenant_on_its_way_to_a_flood_stops_nobody_either(limit: FloodLimit):
    assert not stops(limit, {"broken": 165, "good": 300}, {"broken": 99, "good": 5})
    assert limit.flood(0.0).tenants == ()


def test_the_only_tenant_there_is_stops_the_worker(limit: FloodLimit):
    assert stops(limit, {"only": 400}, {"only": 100})


def test_records_that_say_not_whose_they_are_stop_the_worker_beside_good_tenants(limit: FloodLimit):
    assert stops(limit, {"good": 600, None: 200}, {None: 200})


def test_a_tenant_that_was_never_admitted_counts_as_unknown(limit: FloodLimit):
    assert stops(limit, {"good": 600, None: 200}, {"invented": 200})


def test_a_fault_that_meets_all_tenants_alike_stops_the_worker(limit: FloodLimit):
    tenants = [f"tenant-{number}" for number in range(8)]
    assert stops(limit, dict.fromkeys(tenants, 100), dict.fromkeys(tenants, 25))


def test_two_tenants_that_both_break_stop_the_worker(limit: FloodLimit):
    assert stops(limit, {"a": 500, "b": 500}, {"a": 300, "b": 300})


def test_names_that_producers_invent_do_not_fill_the_memory(limit: FloodLimit):
    limit.read({f"t{number}": 1 for number in range(3 * MOST_TENANTS)}, 0.0)
    assert len(limit._read) == MOST_TENANTS + 1


def backlog(share: float, tenants: int, count: int, seed: int) -> list[tuple[str, bool]]:
    source = random.Random(seed)
    broken = [True] * int(share * count) + [False] * (count - int(share * count))
    source.shuffle(broken)
    return [(f"tenant-{source.randrange(tenants)}", each) for each in broken]


def works_off(records: list[tuple[str, bool]], fetched: int) -> bool:
    """Whether a backlog runs through when every dead letter is published before any good record is done."""
    limit = FloodLimit(0.2, 300.0, 100)
    for start in range(0, len(records), fetched):
        part = records[start : start + fetched]
        for tenant, _ in part:
            limit.read({tenant: 1}, 0.0)
        for tenant, broken in part:
            if broken:
                limit.die({tenant: 1}, 0.0)
                if limit.flood(0.0).exceeded:
                    return False
    return True


@given(st.integers(1, 6), st.integers(1, 500), st.integers(0, 10_000))
def test_fifteen_percent_run_through_whatever_is_fetched_at_a_time(tenants: int, fetched: int, seed: int):
    assert works_off(backlog(0.13, tenants, 4000, seed), fetched)


@given(st.integers(1, 6), st.integers(1, 500), st.integers(0, 10_000))
def test_a_third_stops_whatever_is_fetched_at_a_time(tenants: int, fetched: int, seed: int):
    assert not works_off(backlog(0.33, tenants, 4000, seed), fetched)


@given(
    st.lists(
        st.tuples(st.floats(0, 200), st.sampled_from(["a", "b", None]), st.integers(0, 50), st.integers(0, 50)),
        max_size=50,
    )
)
def test_the_counts_are_those_of_the_window_give_or_take_a_step(steps: list[tuple[float, str | None, int, int]]):
    limit, now, seen = FloodLimit(1.0, 60.0, 100), 0.0, []
    for wait, tenant, good, dead in steps:
        now += wait
        limit.read({tenant: good + dead}, now)
        limit.die({tenant: dead}, now)
        seen.append((now, good + dead))
        flood = limit.flood(now)
        assert sum(count for at, count in seen if at > now - 58) <= flood.read
        assert flood.read <= sum(count for at, count in seen if at > now - 60 - 1e-6)
        assert not flood.exceeded
