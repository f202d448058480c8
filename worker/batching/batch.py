"""A device batch: what it holds, why it ended there, and how it is put together. Pure."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic

from worker.batching.cost_model import CostModel
from worker.batching.waiting import M, Queued


class BatchReason(StrEnum):
    """Why a batch ended where it did."""

    IDLE = "idle"
    """It took everything that waited."""
    DURATION = "duration"
    """The next message would have taken it over the batch duration."""
    TOKENS = "tokens"
    """The next message would have taken it over the token cap."""
    OVERSIZED = "oversized"
    """One message that is longer than the token cap, alone."""
    LATE_LANE = "late_lane"
    """Every message that can be in time is in it; late ones filled it and more of them wait."""
    CATCH_UP = "catch_up"
    """Nothing that waits can be in time: oldest first, as long as throughput gains from it."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch(Generic[M]):
    """Messages that go to the device together, in the order they were chosen."""

    messages: tuple[M, ...]
    token_count: int
    squared_tokens: int
    reason: BatchReason
    predicted_seconds: float
    late_messages: int


class Selection(Generic[M]):
    """A batch under construction."""

    __slots__ = (
        "_per_square",
        "_per_token",
        "full",
        "late_messages",
        "max_seconds",
        "max_tokens",
        "messages",
        "reserved_seconds",
        "seconds",
        "set_aside",
        "squared_tokens",
        "token_count",
    )

    def __init__(self, cost_model: CostModel, max_seconds: float, max_tokens: int) -> None:
        self._per_token = cost_model.seconds_per_token
        self._per_square = cost_model.seconds_per_squared_token
        self.seconds = cost_model.fixed_seconds
        self.max_seconds = max_seconds
        self.reserved_seconds = 0.0
        self.max_tokens = max_tokens
        self.messages: list[M] = []
        self.full: BatchReason | None = None
        self.token_count = self.squared_tokens = self.late_messages = self.set_aside = 0

    def offer(self, queued: Queued[M]) -> float | None:
        """Put the message in if it fits; the first always does, whatever its size. Returns the seconds it adds, or None
        when it does not fit: `full` says why then."""
        seconds = self._per_token * queued.token_count + self._per_square * queued.squared_tokens
        if self.messages:
            if self.token_count + queued.token_count > self.max_tokens:
                self.full = BatchReason.TOKENS
                return None
            if self.seconds + seconds > self.max_seconds - self.reserved_seconds:
                self.full = BatchReason.DURATION
                return None
        self.messages.append(queued.message)
        self.token_count += queued.token_count
        self.squared_tokens += queued.squared_tokens
        self.seconds += seconds
        return seconds

    def batch(self, reason: BatchReason) -> Batch[M]:
        """The finished batch."""
        if self.token_count > self.max_tokens:
            reason = BatchReason.OVERSIZED
        return Batch(
            messages=tuple(self.messages),
            token_count=self.token_count,
            squared_tokens=self.squared_tokens,
            reason=reason,
            predicted_seconds=self.seconds,
            late_messages=self.late_messages,
        )
