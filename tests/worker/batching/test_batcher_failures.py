"""What went wrong in other batchers, each as a test of this one. Named by what failed, and where it was reported."""

import math
import threading
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from support.batching import Item, add_all, cost_model, drain, make_batcher, take
from support.records import consumer_record

from model.label_set import LabelSet
from model.long_text import LongText
from model.scorer import EncodedText, PreparedLabelSet, Scorer
from schemas.policy import PolicyFile
from schemas.settings import InputSettings
from worker.batching.batch import Batch, BatchReason
from worker.batching.batcher import Batcher
from worker.batching.cost_model import CostModel, CostSample
from worker.content.admission import Admission
from worker.content.codec import RecordDecoder
from worker.content.dead_letters import DeadLetters
from worker.device.thread import Device, TaskLogits
from worker.in_flight.message import Message
from worker.in_flight.partition import Partition
from worker.policies.compiled import CompileOptions, PolicyStore, compile_policies
from worker.telemetry.tracing import Tracing

LABELS = LabelSet(("one", "two", "three"))
TEXTS = ("short", "a text of some more words", "long " * 60)


class Refusing:
    """A model that cannot read one of the texts."""

    def __init__(self, scorer: Scorer, poison: EncodedText) -> None:
        self._scorer = scorer
        self._poison = poison

    def score(self, batch: Sequence[EncodedText]) -> list[TaskLogits]:
        if self._poison in batch:
            raise RuntimeError("from the model")
        return self._scorer.score(batch)


def encoded(scorer: Scorer) -> list[EncodedText]:
    prepared = scorer.prepare(LABELS)
    return [scorer.encode(text, [prepared]) for text in TEXTS]


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


def test_a_slope_that_noise_turns_negative_is_not_believed():
    """BentoML 3646: its regression gave batches that took less time the longer they were."""
    model = CostModel([CostSample(100, 6400, 0.02), CostSample(1000, 64000, 0.01), CostSample(4000, 256000, 0.005)])
    assert 0 < model.predict(100, 6400) <= model.predict(1000, 64000) <= model.predict(4000, 256000)


async def test_a_pass_that_raises_leaves_the_device_at_work(scorer: Scorer):
    """Infinity 242, 483, 544: the worker thread ended, the service hung, and its health stayed green."""
    texts, device = encoded(scorer), Device()
    for _ in range(2):
        failed = await device.score(Refusing(scorer, texts[0]), texts[:1], 1.0)
        assert isinstance(failed.outcomes[0], RuntimeError)
    assert not isinstance((await device.score(scorer, texts, 1.0)).outcomes[0], Exception)
    device.close()


async def test_one_bad_text_fails_alone(scorer: Scorer):
    """LitServe 340, and by their code TEI, Triton, BentoML, Ray Serve, KServe: one bad item failed its whole batch."""
    texts, device = encoded(scorer), Device()
    outcomes = (await device.score(Refusing(scorer, texts[1]), texts, 1.0)).outcomes
    assert [isinstance(outcome, Exception) for outcome in outcomes] == [False, True, False]
    device.close()


def test_a_batch_gives_what_each_text_gives_alone(scorer: Scorer):
    """Text Embeddings Inference 846: batches failed where single requests worked. GLiClass: averages over padding made
    a score depend on the length of its neighbours."""
    texts = encoded(scorer)
    for text, together in zip(texts, scorer.score(texts), strict=True):
        np.testing.assert_allclose(together[0], scorer.score([text])[0][0], rtol=0, atol=1e-5)


def test_results_leave_the_device_once_a_batch(scorer: Scorer, monkeypatch: pytest.MonkeyPatch):
    """GLiClass: a transfer, and with it a synchronisation, for every label of every text."""
    transfers: list[torch.Tensor] = []
    to_cpu = torch.Tensor.cpu

    def counted(tensor: torch.Tensor) -> torch.Tensor:
        transfers.append(tensor)
        return to_cpu(tensor)

    monkeypatch.setattr(torch.Tensor, "cpu", counted)
    scorer.score(encoded(scorer))
    assert len(transfers) == 1


async def test_texts_are_tokenised_before_they_wait_and_beside_the_device(scorer: Scorer):
    """vLLM 21796, 23162: the tokenizer in the way of a small encoder took most of the time."""
    threads: list[str] = []

    class Watched:
        def encode(self, text: str, prepared: Sequence[PreparedLabelSet], long_text: LongText) -> EncodedText:
            threads.append(threading.current_thread().name)
            return scorer.encode(text, prepared, long_text)

    task = {"mode": "multi", "labels": ["a"]}
    policies = PolicyFile.model_validate({"tenants": {"shop": {"tasks": {"queue": task}}}})
    store = PolicyStore(compile_policies(policies, scorer, CompileOptions()))
    decoder = RecordDecoder(InputSettings(topics=["in"]), "all")
    admission = Admission(decoder, store.resolve, Watched(), DeadLetters("dead", 10**6), Tracing(None))
    (message,) = await admission.admit(Partition("in", 0, epoch=1, next_offset=0), [consumer_record()])
    assert isinstance(message, Message)
    assert message.token_count > 0
    device = Device()
    assert threads != [await device.run(lambda: threading.current_thread().name)]
    assert threads != [threading.current_thread().name]
    device.close()
    admission.close()
