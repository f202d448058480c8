"""Messages and a calibrated cost model for tests of the batcher."""

import math
from dataclasses import dataclass

from worker.batching.batch import Batch
from worker.batching.batcher import Batcher
from worker.batching.cost_model import CostModel, CostSample

FIXED_SECONDS = 0.005
SECONDS_PER_TOKEN = 10e-6
PLENTY_TOKENS = 16384


@dataclass(slots=True, eq=False)
class Item:
    """The least that can be batched."""

    deadline: float
    token_count: int = 100
    tenant: str = "a"
    weight: float = 1.0
    latency_budget_seconds: float = 0.5

    @property
    def squared_tokens(self) -> int:
        return self.token_count**2


def cost_model() -> CostModel:
    """5 ms a batch and 10 µs a token, as measured without noise."""
    return CostModel(
        CostSample(tokens, tokens * length, FIXED_SECONDS + SECONDS_PER_TOKEN * tokens)
        for tokens in (64, 1024, 4096, 16384)
        for length in (16, 64)
    )


def make_batcher(
    max_batch_tokens: int = PLENTY_TOKENS, *, publish_seconds: float = 0.0, defer_efficiency: float = 0.0
) -> Batcher[Item]:
    """A batcher on a calibrated device; its longest batch takes 0.169 s."""
    return Batcher(
        cost_model(),
        max_batch_tokens=max_batch_tokens,
        publish_seconds=publish_seconds,
        defer_efficiency=defer_efficiency,
    )


def take(batcher: Batcher[Item], now: float = 0.0) -> Batch[Item]:
    """The next batch, which there must be."""
    batch = batcher.next_batch(now)
    assert isinstance(batch, Batch)
    return batch


def add_all(batcher: Batcher[Item], items: list[Item], now: float = 0.0) -> None:
    """Let them wait."""
    for item in items:
        batcher.add(item, now)


def drain(batcher: Batcher[Item], now: float = 0.0) -> list[Batch[Item]]:
    """All batches until nothing waits, one after the other on a device that keeps to the predictions."""
    batches: list[Batch[Item]] = []
    while batcher.queued_messages:
        batch = take(batcher, now)
        now += batch.predicted_seconds
        batcher.finished(batch, batch.predicted_seconds, now)
        batches.append(batch)
    assert batcher.next_batch(now) == math.inf
    return batches
