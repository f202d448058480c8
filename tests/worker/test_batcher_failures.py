"""What went wrong in other batchers, each as a test of this one. Named by what failed, and where it was reported."""

import math

import pytest
from support.batching import Item, add_all, cost_model, drain, make_batcher, take

from worker.batch import Batch, BatchReason
from worker.batcher import Batcher
from worker.cost_model import CostModel


def test_a_batch_that_failed_does_not_keep_the_next_from_being_formed():
    """Infinity 242, 483, 544: an exception in the forward pass ended the batching for good."""
    batcher = make_batcher(max_batch_tokens=200)
    add_all(batcher, [Item(deadline=1.0) for _ in range(6)])
    for _ in range(3):
        assert len(take(batcher).messages) == 2
    assert batcher.next_batch(0.0) == math.inf


def test_a_callback_that_raises_loses_no_message():
    """Ray Serve 66140: an exception in the sizing callback ended the batch loop, later valid requests hung."""

    def raises(item: Item) -> bool:
        if item.tenant == "bad":
            raise RuntimeError("from the callback")
        return False

    batcher = Batcher[Item](cost_model(), max_batch_tokens=1000, drops_late=raises)
    batcher.add(Item(deadline=1.0), 0.0)
    with pytest.raises(RuntimeError, match="from the callback"):
        batcher.add(Item(deadline=1.0, tenant="bad"), 0.0)
    with pytest.raises(ZeroDivisionError):
        batcher.discard(lambda item: 1 // 0 > 0)
    assert batcher.queued_messages == 1
    assert len(take(batcher).messages) == 1


def test_while_messages_wait_there_is_always_a_next_batch():
    """Ray Serve 41057, 42593, 42705, 50046: an event cleared while the queue was not empty, then waiting for ever."""
    batcher = make_batcher(max_batch_tokens=300)
    now = 0.0
    for round_ in range(50):
        add_all(batcher, [Item(deadline=now + 0.2) for _ in range(round_ % 5)], now)
        batcher.discard(lambda item, limit=now: item.deadline < limit)
        decision = batcher.next_batch(now)
        if isinstance(decision, Batch):
            now += decision.predicted_seconds
        else:
            assert (decision, batcher.queued_messages) == (math.inf, 0)
            now += 0.01


@pytest.mark.parametrize("idle_seconds", [0.0, 0.005, 10.0])
def test_how_long_a_message_waits_for_company_does_not_depend_on_the_last_batch(idle_seconds: float):
    """Ray Serve 36510, LitServe: the wait counted from the end of the last batch, so a lone request never waited."""
    batcher = make_batcher(defer_efficiency=0.5)
    batcher.add(Item(deadline=0.0), 0.0)
    batcher.finished(take(batcher, 0.0), 0.006, 0.006)
    now = 0.006 + idle_seconds
    batcher.add(Item(deadline=now + 0.5), now)
    wake = batcher.next_batch(now)
    assert isinstance(wake, float)
    assert wake - now == pytest.approx(0.4895, abs=0.001)


def test_messages_that_are_all_late_are_scored_and_not_cancelled_for_newer_ones():
    """BentoML 3646: it cancelled the oldest while waiting for more, and did no work at all."""
    batcher = make_batcher(max_batch_tokens=500)
    now = 0.0
    oldest = Item(deadline=-10.0)
    batcher.add(oldest, now)
    for _ in range(5):
        add_all(batcher, [Item(deadline=now - 1.0) for _ in range(20)], now)
        batch = take(batcher, now)
        now += batch.predicted_seconds
        if oldest in batch.messages:
            break
    else:
        pytest.fail("the oldest message was never scored")
    assert batch.messages[0] is oldest


def test_a_batcher_without_a_calibrated_model_serves_from_the_first_message():
    """BentoML 3664: waits while it trained stalled the service long after."""
    batcher = Batcher[Item](CostModel(), max_batch_tokens=16384)
    for number in range(5):
        batcher.add(Item(deadline=number + 0.5), float(number))
        batch = take(batcher, float(number))
        assert len(batch.messages) == 1
        batcher.finished(batch, 0.3, number + 0.3)


def test_a_budget_below_the_cost_of_a_batch_is_scored_late_and_never_refused():
    """BentoML 3200: "Service Busy" on normal load, because the latency limit was below the true cost."""
    batcher = make_batcher()
    for number in range(20):
        batcher.add(Item(deadline=number + 0.001, latency_budget_seconds=0.001), float(number))
        batch = take(batcher, float(number))
        assert len(batch.messages) == 1
        assert batch.reason is BatchReason.IDLE


def test_the_cap_counts_device_tokens_and_not_messages():
    """BentoML 3710, 3859: the limit counted requests, not rows, and the device ran out of memory."""
    batcher = make_batcher(max_batch_tokens=1000)
    add_all(batcher, [Item(deadline=9.0, token_count=tokens) for tokens in (600, 300, 200, 5, 5)])
    assert all(batch.token_count <= 1000 for batch in drain(batcher))


def test_an_input_longer_than_the_token_budget_neither_blocks_nor_spins():
    """Text Embeddings Inference 723: pop, push back, and again, for ever."""
    batcher = make_batcher(max_batch_tokens=100)
    add_all(batcher, [Item(deadline=1.0, token_count=tokens) for tokens in (500, 50, 700, 50)])
    assert sorted(batch.token_count for batch in drain(batcher)) == [50, 50, 500, 700]


def test_a_batch_is_bound_when_it_is_asked_for_and_not_before():
    """Text Embeddings Inference 253: a small batch was bound early and stayed small while the queue grew."""
    batcher = make_batcher()
    batcher.add(Item(deadline=1.0), 0.0)
    running = take(batcher, 0.0)
    batcher.add(Item(deadline=1.0), 0.001)
    add_all(batcher, [Item(deadline=1.0) for _ in range(30)], running.predicted_seconds / 2)
    assert len(take(batcher, running.predicted_seconds).messages) == 31


def test_an_idle_device_takes_one_message_without_waiting_for_a_preferred_size():
    """Triton 3624, 7318: a preferred batch size with a delay left the device idle. Infinity: a sleep when idle."""
    batcher = make_batcher()
    for number in range(10):
        batcher.add(Item(deadline=number + 0.5), float(number))
        assert len(take(batcher, float(number)).messages) == 1


def test_messages_of_any_length_tenant_and_budget_share_a_batch():
    """Triton 3839, 5530, 7777: other shapes, no batching."""
    batcher = make_batcher()
    mixed = [
        Item(deadline=0.5, token_count=tokens, tenant=tenant, latency_budget_seconds=budget)
        for tokens, tenant, budget in ((1, "a", 0.5), (512, "b", 2.0), (77, "c", 0.3), (2000, "a", 0.5))
    ]
    add_all(batcher, mixed)
    assert set(take(batcher).messages) == set(mixed)


def test_nothing_to_do_means_waiting_and_not_spinning():
    """LitServe with its default timeout of 0: an empty batch, and the loop goes on at once."""
    batcher = make_batcher()
    assert batcher.next_batch(1.0) == math.inf
    batcher = make_batcher(defer_efficiency=0.5)
    batcher.add(Item(deadline=2.0), 1.0)
    wake = batcher.next_batch(1.0)
    assert isinstance(wake, float)
    assert wake > 1.0
    assert isinstance(batcher.next_batch(wake), Batch)


def test_the_queue_can_be_bounded_by_the_seconds_of_work_in_it():
    """BentoML's dispatcher: a queue without a bound. Here the caller stops fetching at so many queued seconds."""
    batcher = make_batcher()
    while batcher.queued_seconds < 1.0:
        batcher.add(Item(deadline=9.0, token_count=200), 0.0)
    assert batcher.queued_messages == pytest.approx(500, rel=0.01)
    take(batcher)
    assert batcher.queued_seconds < 1.0


def test_one_slow_batch_changes_the_next_decisions_little():
    """Triton 7776: the first request of a new batch size took seconds."""
    batcher = make_batcher()
    add_all(batcher, [Item(deadline=60.0, latency_budget_seconds=60.0) for _ in range(1000)])
    first = take(batcher)
    batcher.finished(first, 50 * first.predicted_seconds, 8.0)
    second = take(batcher, 8.0)
    assert second.predicted_seconds == pytest.approx(first.predicted_seconds, rel=0.1)
    assert len(second.messages) == pytest.approx(len(first.messages), rel=0.1)
