"""The batcher on a virtual clock: what it hands out, in which order, and why a batch ends where it does."""

import math

import pytest
from support.batching import Item, add_all, drain, make_batcher, take

from worker.batching.batch import Batch, BatchReason
from worker.batching.batcher import Batcher
from worker.batching.cost_model import CostModel


def test_an_empty_batcher_asks_to_be_woken_by_a_message():
    assert make_batcher().next_batch(0.0) == math.inf


def test_a_lone_message_goes_at_once():
    batcher = make_batcher()
    item = Item(deadline=5.0)
    batcher.add(item, 0.0)
    batch = take(batcher)
    assert batch.messages == (item,)
    assert batch.reason is BatchReason.IDLE
    assert (len(batcher), batcher.queued_messages, batcher.queued_seconds) == (0, 0, 0.0)


def test_everything_that_waits_goes_together_while_it_is_short_enough():
    batcher = make_batcher()
    add_all(batcher, [Item(deadline=1.0, tenant=tenant, token_count=n) for tenant in "abc" for n in (7, 90, 300)])
    batch = take(batcher)
    assert len(batch.messages) == 9
    assert batch.token_count == 3 * 397
    assert batch.reason is BatchReason.IDLE


def test_the_earliest_deadline_goes_first():
    batcher = make_batcher(max_batch_tokens=200)
    add_all(batcher, [Item(deadline=float(deadline), tenant=str(deadline % 2)) for deadline in (5, 3, 4, 1)])
    assert [item.deadline for item in take(batcher).messages] == [1.0, 3.0]
    assert [item.deadline for item in take(batcher).messages] == [4.0, 5.0]


def test_a_batch_never_goes_over_the_token_cap():
    batcher = make_batcher(max_batch_tokens=250)
    add_all(batcher, [Item(deadline=float(deadline)) for deadline in range(1, 6)])
    batch = take(batcher)
    assert batch.token_count == 200
    assert batch.reason is BatchReason.TOKENS


def test_a_message_longer_than_the_token_cap_goes_alone():
    batcher = make_batcher(max_batch_tokens=250)
    long, short = Item(deadline=1.0, token_count=900), Item(deadline=2.0)
    add_all(batcher, [short, long])
    batch = take(batcher)
    assert batch.messages == (long,)
    assert batch.reason is BatchReason.OVERSIZED
    assert take(batcher).messages == (short,)


def test_a_batch_ends_at_the_duration_that_lets_a_tight_budget_wait_for_one_and_ride_one():
    batcher = make_batcher()
    add_all(batcher, [Item(deadline=0.08, latency_budget_seconds=0.08) for _ in range(200)])
    batch = take(batcher)
    assert batch.reason is BatchReason.DURATION
    assert 0.02 < batch.predicted_seconds <= 0.04


def test_a_loose_budget_lets_a_batch_fill_the_token_cap():
    batcher = make_batcher()
    add_all(batcher, [Item(deadline=60.0, latency_budget_seconds=60.0) for _ in range(400)])
    batch = take(batcher)
    assert batch.reason in (BatchReason.DURATION, BatchReason.TOKENS)
    assert batch.predicted_seconds > 0.16


def test_a_batch_is_not_shortened_to_rescue_its_head():
    batcher = make_batcher()
    loose = [Item(deadline=1.0, latency_budget_seconds=1.0) for _ in range(200)]
    add_all(batcher, loose)
    urgent = Item(deadline=0.012, tenant="urgent", latency_budget_seconds=1.0)
    batcher.add(urgent, 0.0)
    batch = take(batcher)
    assert urgent not in batch.messages
    assert batch.predicted_seconds > 0.15
    assert any(urgent in later.messages for later in drain(batcher, batch.predicted_seconds))


def test_what_can_still_be_in_time_goes_before_what_cannot():
    batcher = make_batcher(max_batch_tokens=1000)
    late = [Item(deadline=-0.5) for _ in range(8)]
    viable = [Item(deadline=0.4) for _ in range(8)]
    add_all(batcher, late + viable)
    batch = take(batcher)
    assert batch.messages[:8] == tuple(viable)
    assert batch.messages[8:] == tuple(late[:2])
    assert batch.late_messages == 2
    assert batch.reason is BatchReason.LATE_LANE


def test_when_nothing_can_be_in_time_the_oldest_go_first_in_full_batches():
    batcher = make_batcher(max_batch_tokens=1000)
    items = [Item(deadline=-1.0 - number, tenant=str(number % 3)) for number in range(30)]
    add_all(batcher, items)
    batch = take(batcher)
    assert batch.reason is BatchReason.CATCH_UP
    assert batch.token_count == 1000
    assert batch.messages == tuple(reversed(items[-10:]))


def test_catching_up_makes_batches_no_longer_than_throughput_gains_from():
    batcher = make_batcher(max_batch_tokens=1_000_000)
    add_all(batcher, [Item(deadline=-1.0) for _ in range(5000)])
    assert 0.2 < take(batcher).predicted_seconds <= 0.25


def test_late_messages_get_their_share_of_every_batch_after_some_seconds():
    batcher = make_batcher(max_batch_tokens=4000)
    late = [Item(deadline=-4.0) for _ in range(100)]
    add_all(batcher, late)
    now, done = 0.0, 0
    for _ in range(40):
        add_all(batcher, [Item(deadline=now + 1.0, latency_budget_seconds=1.0) for _ in range(60)], now)
        batch = take(batcher, now)
        done += batch.late_messages
        assert batch.late_messages < 12
        now += batch.predicted_seconds
    assert done >= 40


def test_late_messages_wait_some_seconds_for_spare_room():
    batcher = make_batcher(max_batch_tokens=4000)
    batcher.add(Item(deadline=-0.5), 0.0)
    add_all(batcher, [Item(deadline=1.0, latency_budget_seconds=1.0) for _ in range(60)])
    assert take(batcher).late_messages == 0


def test_a_late_message_too_long_to_ride_along_gets_its_turn():
    batcher = make_batcher(max_batch_tokens=2000)
    long = Item(deadline=-5.0, token_count=3000)
    batcher.add(long, 0.0)
    now = 0.0
    for _ in range(60):
        add_all(batcher, [Item(deadline=now + 1.0, latency_budget_seconds=1.0) for _ in range(30)], now)
        batch = take(batcher, now)
        now += batch.predicted_seconds
        if long in batch.messages:
            assert batch.messages == (long,)
            return
    pytest.fail("the long late message never went")


def test_when_not_all_can_be_in_time_short_messages_of_a_tenant_go_before_long_ones():
    batcher = make_batcher(max_batch_tokens=600)
    add_all(batcher, [Item(deadline=1.0) for _ in range(300)])
    now = sum(batch.predicted_seconds for batch in drain(batcher))
    long, short = Item(deadline=now + 0.4, token_count=500), [Item(deadline=now + 0.41) for _ in range(6)]
    add_all(batcher, [long, *short], now)
    first = take(batcher, now)
    assert set(first.messages) < set(short)
    assert first.reason is BatchReason.DURATION


def test_a_flooding_tenant_makes_only_its_own_messages_late():
    batcher = make_batcher()
    now, finished_at, good = 0.0, {}, []
    arrivals = [(n * 0.0006, "flood", 0.1) for n in range(5000)] + [(n * 0.02, "good", 0.15) for n in range(150)]
    arrivals.sort()
    while arrivals or batcher.queued_messages:
        while arrivals and arrivals[0][0] <= now:
            time, tenant, budget = arrivals.pop(0)
            item = Item(deadline=time + budget, tenant=tenant, latency_budget_seconds=budget)
            good += [item] if tenant == "good" else []
            batcher.add(item, now)
        decision = batcher.next_batch(now)
        if not isinstance(decision, Batch):
            now = arrivals[0][0]
            continue
        now += decision.predicted_seconds
        finished_at.update({id(item): now for item in decision.messages})
    in_time = [finished_at[id(item)] <= item.deadline for item in good]
    assert len(in_time) == 150
    assert sum(in_time) >= 0.98 * 150


def test_weights_divide_the_device_between_tenants_that_wait():
    batcher = make_batcher(max_batch_tokens=1000)
    for _ in range(1500):
        batcher.add(Item(deadline=50.0, tenant="one", latency_budget_seconds=50.0), 0.0)
        batcher.add(Item(deadline=50.0, tenant="three", weight=3.0, latency_budget_seconds=50.0), 0.0)
    now, given = 0.0, {"one": 0, "three": 0}
    for _ in range(180):
        batch = take(batcher, now)
        now += batch.predicted_seconds
        for item in batch.messages:
            given[item.tenant] += 1
    assert given["three"] == pytest.approx(3 * given["one"], rel=0.2)


def test_publishing_time_is_part_of_being_in_time():
    viable, late = Item(deadline=0.085), Item(deadline=0.085)
    for item, publish_seconds, expected in ((viable, 0.0, 0), (late, 0.08, 1)):
        batcher = make_batcher(max_batch_tokens=400, publish_seconds=publish_seconds)
        batcher.add(item, 0.0)
        add_all(batcher, [Item(deadline=9.0) for _ in range(8)])
        assert sum(batch.late_messages for batch in (take(batcher), take(batcher), take(batcher))) == expected


def test_after_running_out_of_memory_batches_are_smaller_and_stay_so():
    batcher = make_batcher(max_batch_tokens=1000)
    add_all(batcher, [Item(deadline=1.0) for _ in range(30)])
    assert take(batcher).token_count == 1000
    batcher.lower_token_cap(500)
    assert take(batcher).token_count == 500
    batcher.lower_token_cap(700)
    assert batcher.max_batch_tokens == 500


def test_discard_returns_the_waiting_messages_of_a_revoked_partition_and_keeps_the_rest():
    batcher = make_batcher(max_batch_tokens=200)
    add_all(batcher, [Item(deadline=-9.0, tenant="late") for _ in range(4)])
    kept, revoked = Item(deadline=1.0), Item(deadline=2.0, tenant="b")
    add_all(batcher, [kept, revoked])
    first = take(batcher)
    assert kept in first.messages
    gone = batcher.discard(lambda item: item.tenant in ("b", "late"))
    assert sorted(item.tenant for item in (*first.messages, *gone)) == ["a", "b", *["late"] * 4]
    assert batcher.next_batch(0.0) == math.inf
    assert batcher.queued_seconds == 0.0


def test_messages_not_to_be_scored_late_are_handed_back_and_the_others_are_scored():
    batcher: Batcher[Item] = Batcher(CostModel(), max_batch_tokens=1000, drops_late=lambda item: item.tenant == "drop")
    dropped, late, viable = Item(deadline=-1.0, tenant="drop"), Item(deadline=-1.0), Item(deadline=1.0, tenant="drop")
    add_all(batcher, [dropped, late, viable])
    assert take(batcher).messages == (viable, late)
    assert batcher.take_dropped() == [dropped]
    assert batcher.take_dropped() == []


def test_dropped_messages_of_a_revoked_partition_are_discarded_with_the_waiting():
    batcher: Batcher[Item] = Batcher(CostModel(), max_batch_tokens=1000, drops_late=lambda _: True)
    dropped = Item(deadline=-1.0)
    batcher.add(dropped, 0.0)
    assert batcher.next_batch(0.0) == math.inf
    assert batcher.discard(lambda _: True) == [dropped]
    assert batcher.take_dropped() == []


def test_a_shared_accelerator_may_wait_for_company_while_no_deadline_suffers():
    batcher = make_batcher(defer_efficiency=0.8)
    batcher.add(Item(deadline=0.5), 0.0)
    wake = batcher.next_batch(0.0)
    assert isinstance(wake, float)
    assert 0.4 < wake < 0.5 - 0.025
    batcher.add(Item(deadline=0.3), 0.0)
    earlier = batcher.next_batch(0.0)
    assert isinstance(earlier, float)
    assert earlier == pytest.approx(wake - 0.2)
    assert len(take(batcher, earlier).messages) == 2


def test_waiting_for_company_ends_when_the_batch_is_worth_it():
    batcher = make_batcher(defer_efficiency=0.8)
    add_all(batcher, [Item(deadline=0.5) for _ in range(25)])
    assert len(take(batcher).messages) == 25


def test_its_state_shows_what_waits():
    batcher = make_batcher(max_batch_tokens=1000)
    add_all(batcher, [Item(deadline=0.7, tenant="b") for _ in range(12)])
    batcher.add(Item(deadline=-3.0, tenant="late"), 0.0)
    take(batcher)
    state = batcher.state(0.1)
    assert state.queued_messages == 3
    assert state.late_messages == 1
    assert state.queued_seconds == pytest.approx(0.003, rel=0.05)
    assert state.batch_duration_seconds > 0
    assert state.load > 0
    assert [(tenant.tenant, round(tenant.slack_seconds, 3)) for tenant in state.tenants] == [("b", 0.6)]


@pytest.mark.parametrize(
    ("options", "message"),
    [({"max_batch_tokens": 0}, "at least 1"), ({"max_batch_tokens": 9, "defer_efficiency": 1.0}, "below 1")],
)
def test_impossible_options_are_refused(options: dict[str, float], message: str):
    with pytest.raises(ValueError, match=message):
        Batcher(CostModel(), **options)  # pyright: ignore[reportArgumentType]
