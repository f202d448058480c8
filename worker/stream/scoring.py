"""Messages in, results at their owners: duplicates → batch → device → conclude. Knows nothing of Kafka."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from worker.batching.batch import Batch
from worker.batching.batcher import Batcher
from worker.content.enrichment import Enrichment
from worker.device.thread import Bisected, TaskLogits
from worker.in_flight.duplicates import Duplicates, Known, New
from worker.in_flight.message import Message, Owner, Result
from worker.stream.recorder import Recorder

if TYPE_CHECKING:
    from model.prompt import EncodedText

ScoreBatch = Callable[["Sequence[EncodedText]", float], Awaitable[Bisected[TaskLogits]]]
"""Scores texts on the device, given the seconds predicted for them. Raises DeviceError."""

LONGEST_IDLE_SECONDS = 1.0
MESSAGES_PER_LOOP_TURN = 128


class ScoredBatch(NamedTuple):
    """A batch that came back from the device: one outcome per message."""

    batch: Batch[Message]
    outcomes: Sequence[TaskLogits | Exception]


class Scoring:
    """Every message added is concluded at its owner, once, or given back to it."""

    def __init__(
        self,
        *,
        batcher: Batcher[Message],
        duplicates: Duplicates[Message, TaskLogits],
        score: ScoreBatch,
        enrichment: Enrichment,
        recorder: Recorder,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.batcher = batcher
        self._duplicates = duplicates
        self._score = score
        self._enrichment = enrichment
        self._recorder = recorder
        self._clock = clock
        self._work_arrived = asyncio.Event()
        self._scored: asyncio.Queue[ScoredBatch] = asyncio.Queue()

    async def run(self) -> None:
        """Score and conclude for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._feed_device(), name="feed device")
            group.create_task(self._conclude(), name="conclude")

    def close(self) -> None:
        """Nothing is concluded any more; the device is not this stage's to close."""
        self._enrichment.close()

    def add(self, messages: Iterable[Message]) -> None:
        """Let messages wait for their batch; one whose owner has gone meanwhile is left out."""
        now = self._clock()
        for message in messages:
            if message.owner.may_conclude:
                self._enqueue(message, now)
        self._work_arrived.set()

    def give_back(self, owners: Collection[Owner]) -> int:
        """Return the messages of these owners that no batch holds yet; says how many waited for one of their own."""
        waiting = self.batcher.discard(lambda message: message.owner in owners)
        for message in waiting:
            message.owner.give_back(message)
            for equal in self._duplicates.forget(message.duplicate_key):
                if equal.owner in owners:
                    equal.owner.give_back(equal)
                else:
                    self._enqueue(equal, self._clock())
        self._work_arrived.set()
        return len(waiting)

    def _enqueue(self, message: Message, now: float) -> None:
        """Let a message wait for its batch, unless an equal one has its score or is about to get it."""
        met = self._duplicates.meet(message.duplicate_key, message)
        if isinstance(met, New):
            self.batcher.add(message, now)
            return
        self._recorder.duplicate_met(message)
        if isinstance(met, Known):
            message.owner.conclude(self._enrichment.result(message, met.scored, now))

    def _enqueue_forgotten(self, message: Message, now: float) -> None:
        """Those that waited for this message's score have to be scored themselves."""
        for equal in self._duplicates.forget(message.duplicate_key):
            if equal.owner.may_conclude:
                self._enqueue(equal, now)

    async def _feed_device(self) -> None:
        self._recorder.watch("infer")
        while True:
            self._recorder.beat("infer")
            self._work_arrived.clear()
            decision = self.batcher.next_batch(self._clock())
            for message in self.batcher.take_dropped():
                message.owner.conclude(self._enrichment.late(message, self._clock()))
                self._enqueue_forgotten(message, self._clock())
            if isinstance(decision, Batch):
                await self._score_batch(decision)
            else:
                await self._work_or_moment(until=decision)

    async def _work_or_moment(self, *, until: float) -> None:
        try:
            async with asyncio.timeout(max(0.0, min(until - self._clock(), LONGEST_IDLE_SECONDS))):
                await self._work_arrived.wait()
        except TimeoutError:
            return

    async def _score_batch(self, batch: Batch[Message]) -> None:
        bound_at = self._clock()
        for message in batch.messages:
            message.bind(batch, bound_at)
        trace = self._recorder.batch_bound(batch)
        scored = await self._score([message.encoded for message in batch.messages], batch.predicted_seconds)
        now = self._clock()
        for message in batch.messages:
            message.scored_at = now
        if scored.out_of_memory:
            self.batcher.lower_token_cap(batch.token_count // 2)
        elif not scored.failed_passes:
            self.batcher.finished(batch, now - bound_at, now)
        self._recorder.batch_scored(batch, scored, trace, now)
        # Concluded by another task: the device gets its next batch while results are decided and published.
        self._scored.put_nowait(ScoredBatch(batch, scored.outcomes))

    async def _conclude(self) -> None:
        while True:
            scored = await self._scored.get()
            for start in range(0, len(scored.outcomes), MESSAGES_PER_LOOP_TURN):
                some = slice(start, start + MESSAGES_PER_LOOP_TURN)
                messages, outcomes, now = scored.batch.messages[some], scored.outcomes[some], self._clock()
                results = await self._enrichment.results(messages, outcomes, now)
                for message, outcome, result in zip(messages, outcomes, results, strict=True):
                    self._conclude_message(message, outcome, result, now)

    def _conclude_message(self, message: Message, outcome: TaskLogits | Exception, result: Result, now: float) -> None:
        message.owner.conclude(result)
        if isinstance(outcome, Exception):
            self._enqueue_forgotten(message, now)
            return
        for equal in self._duplicates.scored(message.duplicate_key, outcome):
            equal.ride(message)
            equal.owner.conclude(self._enrichment.result(equal, outcome, now))
