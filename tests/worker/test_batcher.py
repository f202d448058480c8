"""The batcher on a virtual clock: what it hands out, in which order, and that it never loses a message."""

import math
from dataclasses import dataclass

from worker.batcher import Batch, Batcher, BatchReason
from worker.cost_model import CostModel


@dataclass(slots=True, eq=False)
class Item:
    deadline: float
    token_count: int = 10
    tenant: str = "a"
    weight: float = 1.0
    latency_budget_seconds: float = 0.5

    @property
    def squared_tokens(self) -> int:
        return self.token_count**2


def make_batcher(max_batch_tokens: int = 100) -> Batcher[Item]:
    return Batcher(CostModel(), max_batch_tokens=max_batch_tokens)


def take(batcher: Batcher[Item], now: float = 0.0) -> Batch[Item]:
    batch = batcher.next_batch(now)
    assert isinstance(batch, Batch)
    return batch


def test_an_empty_batcher_asks_to_be_woken_by_a_message():
    assert make_batcher().next_batch(0.0) == math.inf


def test_a_lone_message_goes_at_once():
    batcher = make_batcher()
    item = Item(deadline=5.0)
    batcher.add(item, 0.0)
    batch = take(batcher)
    assert batch.messages == (item,)
    assert batch.reason is BatchReason.IDLE
    assert batcher.queued_messages == 0
    assert batcher.queued_seconds == 0.0


def test_the_earliest_deadline_goes_first():
    batcher = make_batcher(max_batch_tokens=20)
    items = [Item(deadline=float(deadline)) for deadline in (5, 3, 4, 1)]
    for item in items:
        batcher.add(item, 0.0)
    assert [item.deadline for item in take(batcher).messages] == [1.0, 3.0]
    assert [item.deadline for item in take(batcher).messages] == [4.0, 5.0]


def test_a_batch_never_goes_over_the_token_cap():
    batcher = make_batcher(max_batch_tokens=25)
    for deadline in range(5):
        batcher.add(Item(deadline=float(deadline)), 0.0)
    batch = take(batcher)
    assert batch.token_count == 20
    assert batch.reason is BatchReason.TOKENS


def test_a_message_longer_than_the_token_cap_goes_alone():
    batcher = make_batcher(max_batch_tokens=25)
    long = Item(deadline=1.0, token_count=90)
    short = Item(deadline=2.0)
    batcher.add(short, 0.0)
    batcher.add(long, 0.0)
    batch = take(batcher)
    assert batch.messages == (long,)
    assert batch.reason is BatchReason.OVERSIZED
    assert take(batcher).messages == (short,)


def test_discard_returns_the_waiting_messages_of_a_revoked_partition_and_keeps_the_rest():
    batcher = make_batcher()
    kept, revoked = Item(deadline=1.0), Item(deadline=2.0, tenant="b")
    batcher.add(kept, 0.0)
    batcher.add(revoked, 0.0)
    assert batcher.discard(lambda item: item.tenant == "b") == [revoked]
    assert batcher.queued_messages == 1
    assert take(batcher).messages == (kept,)
