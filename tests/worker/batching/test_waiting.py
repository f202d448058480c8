"""What waits: totals that agree with the messages, an index that does not grow, late ones oldest first."""

import math

from hypothesis import given
from hypothesis import strategies as st
from support.batching import Item

from worker.batching.waiting import Queued, Turn, Waiting


def add(waiting: Waiting[Item], item: Item) -> None:
    waiting.add(item, item.tenant, rank=item.deadline, token_count=item.token_count, squared_tokens=item.squared_tokens)


def next_turn(waiting: Waiting[Item]) -> Turn[Item] | None:
    return None if waiting.next_rank() == math.inf else waiting.begin_turn()


def take(waiting: Waiting[Item]) -> Queued[Item] | None:
    if (turn := next_turn(waiting)) is None:
        return None
    queued = turn.next
    turn.take()
    turn.end()
    return queued


def demote(waiting: Waiting[Item]) -> bool:
    if (turn := next_turn(waiting)) is None:
        return False
    turn.demote()
    turn.end()
    return True


@given(st.lists(st.tuples(st.floats(-5, 5), st.sampled_from("abc"), st.integers(1, 900)), max_size=80))
def test_messages_come_out_by_rank_across_tenants(arrived: list[tuple[float, str, int]]):
    waiting: Waiting[Item] = Waiting()
    for deadline, tenant, tokens in arrived:
        add(waiting, Item(deadline, tokens, tenant))
    assert waiting.token_count == sum(tokens for _, _, tokens in arrived)
    assert waiting.earliest_deadline() == min((a[0] for a in arrived), default=float("inf"))
    out = []
    while queued := take(waiting):
        out.append(queued.deadline)
    assert out == sorted(deadline for deadline, _, _ in arrived)
    assert (waiting.messages, waiting.token_count, waiting.squared_tokens) == (0, 0, 0)
    assert list(waiting.tenants) == []


def test_late_messages_come_out_by_record_timestamp():
    waiting: Waiting[Item] = Waiting()
    for deadline, budget in ((1.0, 0.1), (2.0, 1.9), (3.0, 2.5)):
        add(waiting, Item(deadline, latency_budget_seconds=budget))
    while demote(waiting):
        pass
    assert (waiting.messages, waiting.late_messages, waiting.late_token_count) == (3, 3, 300)
    timestamps = []
    while oldest := waiting.oldest_late():
        timestamps.append(round(oldest.timestamp, 3))
        waiting.take_oldest_late()
    assert timestamps == [0.1, 0.5, 0.9]
    assert (waiting.messages, waiting.token_count) == (0, 0)
    assert waiting.late_token_count == waiting.late_squared_tokens == 0


@given(st.lists(st.tuples(st.floats(-5, 5), st.sampled_from("abc")), max_size=40), st.sets(st.sampled_from("abc")))
def test_discarding_takes_the_chosen_in_order_of_arrival_and_keeps_the_totals(
    arrived: list[tuple[float, str]], chosen: set[str]
):
    waiting: Waiting[Item] = Waiting()
    items = [Item(deadline, tenant=tenant) for deadline, tenant in arrived]
    for item in items:
        add(waiting, item)
    for _ in range(len(items) // 3):
        assert demote(waiting)
    assert waiting.discard(lambda item: item.tenant in chosen) == [item for item in items if item.tenant in chosen]
    kept = [item for item in items if item.tenant not in chosen]
    assert waiting.messages == len(kept)
    assert waiting.token_count == 100 * len(kept)
    assert {queued.message for queued in waiting.take_all()} == set(kept)
    assert waiting.late_messages == 0


def test_the_index_does_not_grow_with_the_messages_that_went_through():
    waiting: Waiting[Item] = Waiting()
    for number in range(10_000):
        add(waiting, Item(float(-number), tenant=str(number % 3)))
        if number > 50:
            take(waiting)
    assert waiting.messages == 51
    assert len(waiting._index) <= 60


def test_a_tenant_that_has_its_turn_is_not_found_again_until_it_ends():
    waiting: Waiting[Item] = Waiting()
    for deadline, tenant in ((1.0, "a"), (2.0, "a"), (3.0, "b")):
        add(waiting, Item(deadline, tenant=tenant))
    turn = waiting.begin_turn()
    add(waiting, Item(0.5, tenant="a"))
    assert (turn.tenant, waiting.next_rank()) == ("a", 3.0)
    turn.end()
    assert waiting.next_rank() == 0.5
