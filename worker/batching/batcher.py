"""Chooses which waiting messages the device scores next. Pure: the caller gives the time, nothing waits, no I/O."""

import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, NamedTuple

from worker.batching.batch import Batch, BatchReason, Selection
from worker.batching.batch_duration import LATE_SHARE, BatchDuration
from worker.batching.cost_model import CostModel
from worker.batching.fair_share import FairShare
from worker.batching.waiting import M, Queued, Turn, Waiting

LATE_PATIENCE_SECONDS = 3.0
"""For how long the late wait for spare room before they get their share of every batch."""

CATCH_UP_EFFICIENCY = 0.98
MOST_SET_ASIDE = 2048
"""Messages that one decision finds too late at most; the next decision goes on, so that none takes long."""


@dataclass(frozen=True, slots=True)
class TenantState:
    """One waiting tenant: seconds to the deadline of its next message, virtual seconds it is ahead of the one given
    least."""

    tenant: str
    slack_seconds: float
    virtual_lag_seconds: float


@dataclass(frozen=True, slots=True)
class BatcherState:
    """What the metrics show of the batcher at one moment."""

    queued_messages: int
    queued_seconds: float
    late_messages: int
    batch_duration_seconds: float
    load: float
    predicted_to_actual: float
    tenants: tuple[TenantState, ...]


class Behind(NamedTuple, Generic[M]):
    """A turn that waits for others because of what its tenant is ahead of its share."""

    rank: float
    tenant: str
    turn: Turn[M]


class Batcher(Generic[M]):
    """Takes what waits, up to a batch duration: earliest deadline first among what can still be in time.

    * A message is viable while its deadline is at least one full batch away. A batch is never shortened to rescue its
      head: that lowers throughput exactly when it is short, and makes the next messages late too.
    * What is no longer viable waits for spare room; after three seconds it gets 5% of every batch.
    * A tenant's messages count as due later by what the tenant is ahead of its weighted fair share.
    * No timer: an idle device takes what is there (unless `defer_efficiency` asks to wait for company).
    """

    def __init__(
        self,
        cost_model: CostModel,
        *,
        max_batch_tokens: int,
        publish_seconds: float = 0.0,
        defer_efficiency: float = 0.0,
        drops_late: Callable[[M], bool] | None = None,
    ) -> None:
        """`publish_seconds`: what publishing needs between the device's result and the deadline.
        `defer_efficiency`: on a shared accelerator, wait while no deadline suffers until this share of a batch would
        be spent on tokens. `drops_late`: messages that are not to be scored once late; see `take_dropped`."""
        if max_batch_tokens < 1:
            raise ValueError(f"max_batch_tokens is {max_batch_tokens}: give at least 1")
        if not 0 <= defer_efficiency < 1:
            raise ValueError(f"defer_efficiency is {defer_efficiency}: give a share from 0 (off) to below 1")
        self._cost_model = cost_model
        self._max_batch_tokens = max_batch_tokens
        self.publish_seconds = publish_seconds
        self._defer_efficiency = defer_efficiency
        self._drops_late = drops_late
        self._waiting: Waiting[M] = Waiting()
        self._share = FairShare()
        self._duration = BatchDuration()
        self._late_credit_seconds = 0.0
        self._dropped: list[M] = []

    def __len__(self) -> int:
        return self._waiting.messages

    @property
    def queued_messages(self) -> int:
        """Messages that wait for a batch."""
        return self._waiting.messages

    @property
    def queued_seconds(self) -> float:
        """Device seconds that the waiting messages add to the batches they will ride."""
        return self._cost_model.marginal(self._waiting.token_count, self._waiting.squared_tokens)

    @property
    def max_batch_tokens(self) -> int:
        """Device tokens that a batch may hold; see `lower_token_cap`."""
        return self._max_batch_tokens

    def add(self, message: M, now: float) -> None:
        """Let a message wait for its batch."""
        tenant, deadline, tokens, squared_tokens = (
            message.tenant,
            message.deadline,
            message.token_count,
            message.squared_tokens,
        )
        droppable = self._drops_late is not None and self._drops_late(message)
        seconds = self._cost_model.marginal(tokens, squared_tokens)
        budget = max(0.0, message.latency_budget_seconds - self.publish_seconds)
        slack = deadline - self.publish_seconds - now
        mean_seconds = self._duration.arrived(tenant, message.weight, budget, slack, seconds)
        # When not all can be in time, several short messages are rather than one long one. Relative to its tenant, so
        # that no tenant loses by what it sends.
        excess = seconds / mean_seconds - 1 if mean_seconds > 0 else 0.0
        rank = deadline + min(self._duration.seconds * excess, budget)
        if self._waiting.add(
            message, tenant, rank=rank, token_count=tokens, squared_tokens=squared_tokens, droppable=droppable
        ):
            self._share.enter(tenant)

    def next_batch(self, now: float) -> Batch[M] | float:
        """The batch for a device that is free at `now`, or when to ask again (`math.inf`: once a message is added)."""
        waiting, cost = self._waiting, self._cost_model
        if not waiting.messages:
            return math.inf
        longest = self._longest_seconds()
        duration = self._duration.update(now, cost.fixed_seconds, longest, cost.residual_quantile)
        total = cost.predict(waiting.token_count, waiting.squared_tokens)
        if total <= duration and waiting.token_count <= self._max_batch_tokens and self._drops_late is None:
            wake = self._deferred_until(total)
            return self._everything() if wake <= now else wake
        horizon = now + self.publish_seconds + min(duration, total) * cost.residual_quantile
        selection: Selection[M] = Selection(cost, duration, self._max_batch_tokens)
        self._take_overdue(selection, now)
        self._take_viable(selection, horizon)
        reason, selection.reserved_seconds = selection.full, 0.0
        if not selection.messages:
            selection.max_seconds = max(duration, min(longest, cost.fixed_seconds / (1 - CATCH_UP_EFFICIENCY)))
            reason = BatchReason.CATCH_UP
        self._take_late(selection)
        if not selection.messages:
            return now if waiting.messages else math.inf
        if not waiting.messages:
            reason = BatchReason.IDLE
        return selection.batch(reason or BatchReason.LATE_LANE)

    def finished(self, batch: Batch[M], seconds: float, now: float) -> None:
        """The device took `seconds` for this batch, from ready to result. Not to be called for a batch that failed."""
        self._cost_model.learn(batch.token_count, batch.squared_tokens, seconds)

    def lower_token_cap(self, max_batch_tokens: int) -> None:
        """The device ran out of memory: batches from now on hold at most this many tokens. Never raises the cap."""
        self._max_batch_tokens = max(1, min(self._max_batch_tokens, max_batch_tokens))

    def discard(self, predicate: Callable[[M], bool]) -> list[M]:
        """Remove and return the waiting messages for which `predicate` is true (a revoked partition's)."""
        before = set(self._waiting.tenants)
        removed = self._waiting.discard(predicate)
        for tenant in before.difference(self._waiting.tenants):
            self._share.leave(tenant)
        removed += [message for message in self._dropped if predicate(message)]
        self._dropped = [message for message in self._dropped if not predicate(message)]
        return removed

    def take_dropped(self) -> list[M]:
        """Remove and return the late messages that `drops_late` chose while batches were formed."""
        dropped, self._dropped = self._dropped, []
        return dropped

    def state(self, now: float) -> BatcherState:
        """What the metrics show; linear in the waiting tenants."""
        heads = self._waiting.heads()
        return BatcherState(
            queued_messages=self.queued_messages,
            queued_seconds=self.queued_seconds,
            late_messages=self._waiting.late_messages,
            batch_duration_seconds=self._duration.seconds,
            load=self._duration.load,
            predicted_to_actual=self._cost_model.predicted_to_actual,
            tenants=tuple(TenantState(h.tenant, h.deadline - now, self._share.lag(h.tenant)) for h in heads),
        )

    def _longest_seconds(self) -> float:
        waiting = self._waiting
        squares = waiting.squared_tokens * self._max_batch_tokens / waiting.token_count if waiting.token_count else 0
        return self._cost_model.predict(self._max_batch_tokens, int(squares))

    def _everything(self) -> Batch[M]:
        selection: Selection[M] = Selection(self._cost_model, math.inf, self._max_batch_tokens)
        selection.late_messages = self._waiting.late_messages
        for queued in self._waiting.take_all():
            selection.offer(queued)
        self._share.clear()
        self._late_credit_seconds = 0.0
        return selection.batch(BatchReason.IDLE)

    def _deferred_until(self, total_seconds: float) -> float:
        if self._defer_efficiency == 0 or self._waiting.late_messages:
            return -math.inf
        wanted = self._cost_model.fixed_seconds / (1 - self._defer_efficiency)
        if total_seconds >= wanted:
            return -math.inf
        ride_seconds = wanted * self._cost_model.residual_quantile
        return self._waiting.earliest_deadline() - self.publish_seconds - ride_seconds

    def _take_overdue(self, selection: Selection[M], now: float) -> None:
        """Let the late lane save up for the oldest late message, and reserve what it has. One that is too long to ride
        along with others goes first once there is enough for it."""
        waiting = self._waiting
        oldest = waiting.oldest_late()
        if oldest is None or now < oldest.deadline + LATE_PATIENCE_SECONDS:
            self._late_credit_seconds = 0.0
            return
        seconds = self._cost_model.marginal(oldest.token_count, oldest.squared_tokens)
        credit = self._late_credit_seconds + LATE_SHARE * selection.max_seconds
        self._late_credit_seconds = min(credit, max(selection.max_seconds, seconds))
        long = 2 * seconds > selection.max_seconds or 2 * oldest.token_count > selection.max_tokens
        if long and self._late_credit_seconds >= seconds:
            self._offer_late(selection, oldest)
        late_seconds = self._cost_model.marginal(waiting.late_token_count, waiting.late_squared_tokens)
        selection.reserved_seconds = min(self._late_credit_seconds, late_seconds)

    def _take_viable(self, selection: Selection[M], horizon: float) -> None:
        """Most urgent first among the viable, until the selection is full."""
        waiting, share = self._waiting, self._share
        share.begin_decision(selection.max_seconds)
        behind: list[Behind[M]] = []
        while selection.full is None and selection.set_aside < MOST_SET_ASIDE:
            rank = waiting.next_rank()
            if behind and behind[0].rank <= rank:
                turn = heapq.heappop(behind).turn
            elif math.isinf(rank):
                break
            else:
                turn = waiting.begin_turn()
                penalty = share.penalty(turn.tenant)
                if penalty > 0:
                    heapq.heappush(behind, Behind(rank + penalty, turn.tenant, turn))
                    continue
            turn_ends = min(waiting.next_rank(), behind[0].rank if behind else math.inf)
            share.charge(turn.tenant, self._take_turn(selection, turn, turn_ends, horizon))
            left = turn.next
            if left is not None and (penalty := share.penalty(turn.tenant)) > 0:
                heapq.heappush(behind, Behind(left.rank + penalty, turn.tenant, turn))
                continue
            turn.end()
            if left is None:
                share.leave(turn.tenant)
        for each in behind:
            each.turn.end()

    def _take_turn(self, selection: Selection[M], turn: Turn[M], turn_ends: float, horizon: float) -> float:
        """Take from one tenant until a rank at which it is another's turn. Returns the device seconds it was given,
        divided by its weight."""
        given = 0.0
        while (queued := turn.next) is not None:
            if given and queued.rank + self._share.penalty(turn.tenant, given) > turn_ends:
                break
            if queued.deadline < horizon:
                if selection.set_aside == MOST_SET_ASIDE:
                    break
                self._set_aside(turn, queued)
                selection.set_aside += 1
                continue
            seconds = selection.offer(queued)
            if seconds is None:
                break
            turn.take()
            given += seconds / queued.weight
        return given

    def _set_aside(self, turn: Turn[M], queued: Queued[M]) -> None:
        """The turn's next message can no longer be in time."""
        if queued.droppable:
            self._dropped.append(queued.message)
            turn.take()
        else:
            turn.demote()

    def _take_late(self, selection: Selection[M]) -> None:
        """Fill the batch with late messages, oldest first."""
        while (oldest := self._waiting.oldest_late()) is not None and self._offer_late(selection, oldest):
            pass
        self._late_credit_seconds = max(0.0, self._late_credit_seconds)

    def _offer_late(self, selection: Selection[M], oldest: Queued[M]) -> bool:
        seconds = selection.offer(oldest)
        if seconds is None:
            return False
        self._late_credit_seconds -= seconds
        selection.late_messages += 1
        self._waiting.take_oldest_late()
        return True
