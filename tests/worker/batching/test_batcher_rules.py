"""What holds of the batcher for any sequence of arrivals, batches, failures and revocations, on a virtual clock."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from support.batching import Item, add_all, cost_model, drain, make_batcher, take

from worker.batching.batch import Batch, BatchReason
from worker.batching.batcher import Batcher

TENANTS = "abcde"
items = st.builds(
    Item,
    deadline=st.floats(-2.0, 2.0),
    token_count=st.integers(1, 800),
    tenant=st.sampled_from(TENANTS),
    weight=st.sampled_from((0.5, 1.0, 4.0)),
    latency_budget_seconds=st.sampled_from((0.03, 0.2, 2.0)),
)


class BatcherMachine(RuleBasedStateMachine):
    """Every message added is at each moment in exactly one place: waiting, in a batch, dropped, or discarded."""

    @initialize(max_batch_tokens=st.sampled_from((100, 1000, 16384)), drops=st.sets(st.sampled_from(TENANTS)))
    def start(self, max_batch_tokens: int, drops: set[str]) -> None:
        self.now = 0.0
        self.drops = drops
        self.waiting: set[Item] = set()
        self.running: list[Batch[Item]] = []
        drops_late = (lambda item: item.tenant in drops) if drops else None
        self.batcher = Batcher[Item](cost_model(), max_batch_tokens=max_batch_tokens, drops_late=drops_late)

    @rule(arrived=st.lists(items, max_size=60))
    def add(self, arrived: list[Item]) -> None:
        for item in arrived:
            message = Item(
                self.now + item.deadline, item.token_count, item.tenant, item.weight, item.latency_budget_seconds
            )
            self.batcher.add(message, self.now)
            self.waiting.add(message)

    @rule()
    def form_a_batch(self) -> None:
        decision = self.batcher.next_batch(self.now)
        self.take_dropped()
        if not isinstance(decision, Batch):
            assert decision == math.inf
            assert not self.waiting
            return
        assert decision.messages
        assert len(set(decision.messages)) == len(decision.messages)
        assert self.waiting.issuperset(decision.messages)
        self.waiting.difference_update(decision.messages)
        assert decision.token_count == sum(item.token_count for item in decision.messages)
        assert decision.squared_tokens == sum(item.squared_tokens for item in decision.messages)
        if decision.token_count > self.batcher.max_batch_tokens:
            assert len(decision.messages) == 1
            assert decision.reason is BatchReason.OVERSIZED
        if decision.reason is BatchReason.IDLE:
            assert not self.waiting
        self.running.append(decision)

    @rule(slower=st.floats(0.3, 30.0))
    def finish(self, slower: float) -> None:
        if self.running:
            batch = self.running.pop(0)
            seconds = slower * batch.predicted_seconds
            self.now += seconds
            self.batcher.finished(batch, seconds, self.now)

    @rule()
    def fail_for_memory(self) -> None:
        if self.running:
            batch = self.running.pop(0)
            self.batcher.lower_token_cap(batch.token_count // 2)

    @rule(seconds=st.floats(0.0, 3.0))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    @rule(tenants=st.sets(st.sampled_from(TENANTS)))
    def revoke(self, tenants: set[str]) -> None:
        removed = self.batcher.discard(lambda item: item.tenant in tenants)
        assert len(set(removed)) == len(removed)
        assert set(removed) == {item for item in self.waiting if item.tenant in tenants}
        self.waiting.difference_update(removed)

    def take_dropped(self) -> None:
        for item in self.batcher.take_dropped():
            assert item.tenant in self.drops
            assert item.deadline < self.now + 10.0
            self.waiting.remove(item)

    @invariant()
    def what_waits_is_known(self) -> None:
        if hasattr(self, "batcher"):
            assert self.batcher.queued_messages == len(self.waiting)
            assert (self.batcher.queued_seconds > 0.0) == bool(self.waiting)


TestBatcherMachine = BatcherMachine.TestCase


@given(st.lists(items, min_size=1, max_size=200), st.sampled_from((150, 2000, 16384)))
def test_every_message_comes_out_once(arrived: list[Item], max_batch_tokens: int):
    batcher = make_batcher(max_batch_tokens=max_batch_tokens)
    add_all(batcher, arrived)
    out = [item for batch in drain(batcher) for item in batch.messages]
    assert len(out) == len(arrived)
    assert set(out) == set(arrived)


@given(st.lists(st.floats(5.0, 50.0), min_size=1, max_size=100), st.sampled_from(("one tenant", "many tenants")))
def test_equally_long_messages_come_out_in_order_of_deadline(deadlines: list[float], tenants: str):
    batcher = make_batcher(max_batch_tokens=300)
    names = "a" if tenants == "one tenant" else "abc"
    for number, deadline in enumerate(deadlines):
        batcher.add(Item(deadline=deadline, tenant=names[number % len(names)]), 0.0)
    first = take(batcher)
    rest = [item.deadline for batch in drain(batcher) for item in batch.messages]
    assert max(item.deadline for item in first.messages) <= min(rest, default=math.inf)
    if tenants == "one tenant":
        assert [item.deadline for item in first.messages] + rest == sorted(deadlines)


@given(
    st.lists(st.integers(20, 400), min_size=200, max_size=400),
    st.lists(st.integers(20, 400), min_size=200, max_size=400),
    st.sampled_from((0.25, 1.0, 3.0)),
)
@settings(max_examples=30)
def test_tenants_that_both_wait_are_given_the_same_by_weight_within_a_bound(
    first: list[int], second: list[int], weight: float
):
    """The bound: half a batch duration of allowance, and the longest message. Deadlines here do not differ."""
    batcher = make_batcher(max_batch_tokens=2000)
    lengths = {"first": first, "second": second}
    weights = {"first": 1.0, "second": weight}
    for name, tokens in lengths.items():
        for token_count in tokens:
            batcher.add(
                Item(
                    deadline=60.0, tenant=name, token_count=token_count, weight=weights[name], latency_budget_seconds=60
                ),
                0.0,
            )
    left = {name: len(tokens) for name, tokens in lengths.items()}
    given_seconds = {"first": 0.0, "second": 0.0}
    while all(left.values()):
        batch = take(batcher)
        for item in batch.messages:
            left[item.tenant] -= 1
            given_seconds[item.tenant] += item.token_count * 10e-6 / item.weight
        if all(left.values()):
            bound = 0.5 * batcher.state(0.0).batch_duration_seconds + 0.004 / min(weights.values())
            assert abs(given_seconds["first"] - given_seconds["second"]) <= bound


@given(st.lists(items, min_size=1, max_size=60))
def test_the_same_arrivals_give_the_same_batches(arrived: list[Item]):
    outcomes = []
    for _ in range(2):
        batcher = make_batcher(max_batch_tokens=1000)
        add_all(batcher, arrived)
        outcomes.append([(batch.messages, batch.reason, batch.predicted_seconds) for batch in drain(batcher)])
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("seed", range(20))
def test_many_tenants_in_overload_lose_no_message(seed: int):
    """Tenants fall behind their share and come back, while newcomers overtake what waits."""
    source = random.Random(seed)
    batcher = make_batcher(max_batch_tokens=1000)
    now, added, out = 0.0, 0, 0
    for _ in range(60):
        for _ in range(source.randrange(40)):
            budget = source.choice((0.05, 0.3, 3.0))
            tenant, tokens = f"tenant {source.randrange(30)}", source.randrange(1, 400)
            batcher.add(Item(now + budget * source.random(), tokens, tenant, 1.0, budget), now)
            added += 1
        decision = batcher.next_batch(now)
        if isinstance(decision, Batch):
            out += len(decision.messages)
            now += decision.predicted_seconds
    assert out + sum(len(batch.messages) for batch in drain(batcher, now)) == added


@given(st.integers(1, 40), st.floats(0.05, 0.9))
def test_waiting_for_company_never_makes_a_message_late(count: int, efficiency: float):
    batcher = make_batcher(defer_efficiency=efficiency)
    add_all(batcher, [Item(deadline=1.0 + 0.01 * number) for number in range(count)])
    decision = batcher.next_batch(0.0)
    now = 0.0
    if isinstance(decision, float):
        now, decision = decision, batcher.next_batch(decision)
    assert isinstance(decision, Batch)
    assert len(decision.messages) == count
    assert now + decision.predicted_seconds <= 1.0
