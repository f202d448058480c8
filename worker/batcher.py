"""Chooses which waiting messages the device scores next. Pure: the caller gives the time, nothing waits, no I/O."""

import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from itertools import count
from typing import Generic, Protocol, TypeVar

from worker.cost_model import CostModel


class Batchable(Protocol):
    """What the batcher needs to know of a message. Times are monotonic seconds."""

    @property
    def tenant(self) -> str: ...
    @property
    def weight(self) -> float: ...
    @property
    def deadline(self) -> float: ...
    @property
    def latency_budget_seconds(self) -> float: ...
    @property
    def token_count(self) -> int: ...
    @property
    def squared_tokens(self) -> int: ...


M = TypeVar("M", bound=Batchable)


class BatchReason(StrEnum):
    """Why a batch ended where it did."""

    IDLE = "idle"
    """It took everything that waited."""
    TOKENS = "tokens"
    """The next message would have gone over the token cap."""
    OVERSIZED = "oversized"
    """One message that is longer than the token cap, alone."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch(Generic[M]):
    """Messages that go to the device together, in the order they were chosen."""

    messages: tuple[M, ...]
    token_count: int
    squared_tokens: int
    reason: BatchReason
    predicted_seconds: float


class Batcher(Generic[M]):
    """Earliest deadline first, work-conserving, capped by tokens."""

    def __init__(self, cost_model: CostModel, *, max_batch_tokens: int) -> None:
        if max_batch_tokens < 1:
            raise ValueError(f"max_batch_tokens is {max_batch_tokens}: give at least 1")
        self._cost_model = cost_model
        self._max_batch_tokens = max_batch_tokens
        self._waiting: list[tuple[float, int, M]] = []
        self._arrivals = count()
        self._queued_tokens = 0
        self._queued_squared_tokens = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def queued_messages(self) -> int:
        """Messages that wait for a batch."""
        return len(self._waiting)

    @property
    def queued_seconds(self) -> float:
        """Device seconds that the waiting messages will need."""
        return self._cost_model.marginal(self._queued_tokens, self._queued_squared_tokens)

    @property
    def max_batch_tokens(self) -> int:
        """Device tokens that a batch may hold; lowered by `lower_token_cap`."""
        return self._max_batch_tokens

    def add(self, message: M, now: float) -> None:
        """Let a message wait for its batch."""
        heapq.heappush(self._waiting, (message.deadline, next(self._arrivals), message))
        self._queued_tokens += message.token_count
        self._queued_squared_tokens += message.squared_tokens

    def next_batch(self, now: float) -> Batch[M] | float:
        """The batch for a device that is free now, or the time to ask again (`math.inf`: when a message is added)."""
        if not self._waiting:
            return math.inf
        messages: list[M] = []
        tokens = squared_tokens = 0
        reason = BatchReason.IDLE
        while self._waiting:
            message = self._waiting[0][2]
            if messages and tokens + message.token_count > self._max_batch_tokens:
                reason = BatchReason.OVERSIZED if tokens > self._max_batch_tokens else BatchReason.TOKENS
                break
            heapq.heappop(self._waiting)
            messages.append(message)
            tokens += message.token_count
            squared_tokens += message.squared_tokens
        if tokens > self._max_batch_tokens:
            reason = BatchReason.OVERSIZED
        self._queued_tokens -= tokens
        self._queued_squared_tokens -= squared_tokens
        predicted = self._cost_model.predict(tokens, squared_tokens)
        return Batch(tuple(messages), tokens, squared_tokens, reason, predicted)

    def finished(self, batch: Batch[M], seconds: float, now: float) -> None:
        """The device took `seconds` for this batch, from ready to result. Not to be called for a batch that failed."""
        self._cost_model.learn(batch.token_count, batch.squared_tokens, seconds)

    def lower_token_cap(self, max_batch_tokens: int) -> None:
        """The device ran out of memory: batches from now on hold at most this many tokens (never raises the cap)."""
        self._max_batch_tokens = max(1, min(self._max_batch_tokens, max_batch_tokens))

    def discard(self, predicate: Callable[[M], bool]) -> list[M]:
        """Remove and return the waiting messages for which `predicate` is true (a revoked partition's)."""
        removed = [entry[2] for entry in self._waiting if predicate(entry[2])]
        if removed:
            gone = {id(message) for message in removed}
            self._waiting = [entry for entry in self._waiting if id(entry[2]) not in gone]
            heapq.heapify(self._waiting)
            self._queued_tokens -= sum(message.token_count for message in removed)
            self._queued_squared_tokens -= sum(message.squared_tokens for message in removed)
        return removed
