"""The stream: fetch → admit → batch → score → decide → publish → commit. This file wires; the rules live elsewhere."""

import asyncio
import time
from collections.abc import Callable, Collection
from functools import partial

import structlog
from aiokafka import AIOKafkaConsumer

from schemas.records import DeadLetterReason
from schemas.settings import Settings
from worker.batching.batch import Batch
from worker.batching.batcher import Batcher
from worker.content.admission import Admission
from worker.content.enrichment import Enrichment
from worker.device.thread import Bisected, Device, Logits, Scores
from worker.health.loop_guard import LoopGuard
from worker.health.stopping import StopSignal, exit_hard
from worker.in_flight.backpressure import Backpressure, Load
from worker.in_flight.duplicates import Duplicates, Known, New
from worker.in_flight.flood_limit import FloodLimit
from worker.in_flight.message import Message, Result
from worker.in_flight.partition import Partition
from worker.in_flight.publish_estimate import PublishEstimate
from worker.in_flight.suspects import Try
from worker.kafka.at_least_once import Publisher, PublishError
from worker.kafka.consumer import GroupConsumer, Record
from worker.policies.watcher import PolicyWatcher
from worker.stream.intake import Intake
from worker.stream.monitor import watch_backlog
from worker.stream.recorder import Recorder
from worker.telemetry.event_loop import measure_event_loop_lag

log = structlog.get_logger(__name__)

FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 0.2, 10.0
LONGEST_IDLE_SECONDS = 1.0
LAST_FETCH_SECONDS = 2.0
MESSAGES_PER_LOOP_TURN = 128


class FloodError(Exception):
    """So many records became dead letters that more than the records must be wrong."""


class Pipeline:
    """One worker's stream, from joining the group to leaving it."""

    def __init__(
        self,
        settings: Settings,
        *,
        create_consumer: Callable[[], AIOKafkaConsumer],
        admission: Admission,
        batcher: Batcher[Message],
        duplicates: Duplicates[Message, Logits],
        backpressure: Backpressure,
        device: Device,
        model: Scores,
        enrichment: Enrichment,
        publisher: Publisher,
        policies: PolicyWatcher,
        recorder: Recorder,
        stop: StopSignal,
    ) -> None:
        self._settings = settings
        self._consumer = GroupConsumer(
            create_consumer,
            settings.input.topics,
            settings.kafka,
            recorder.metrics,
            publisher=publisher,
            opened=self._take_up,
            drain=self._drain,
        )
        self._intake = Intake(admit=self._admit, condemn=self._condemn, write_mark=self._write_mark)
        self._admission = admission
        self._batcher = batcher
        self._duplicates = duplicates
        self._backpressure = backpressure
        self._device = device
        self._model = model
        self._enrichment = enrichment
        self._publisher = publisher
        self._policies = policies
        self._recorder = recorder
        self._stop = stop
        self._work_arrived = asyncio.Event()
        self._scored: asyncio.Queue[tuple[Batch[Message], Bisected[Logits]]] = asyncio.Queue()
        delivery = settings.delivery
        self._flood_limit = FloodLimit(
            delivery.flood_share, delivery.flood_window_seconds, delivery.flood_least_dead_letters
        )
        self._publish_estimate = PublishEstimate()
        self._publishing: dict[Partition, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Work until a stop is requested, then drain, commit and leave the group. Raises what ended it before."""
        try:
            async with asyncio.TaskGroup() as self._tasks:
                fetching = self._tasks.create_task(self._fetch())
                steps = (self._infer(), self._conclude(), self._commit(), self._consumer.failure())
                stuck_seconds = self._settings.delivery.stuck_seconds
                watching = (
                    self._policies.run(),
                    watch_backlog(self._consumer, self._batcher, self._intake, self._recorder, stuck_seconds),
                    LoopGuard(stuck_seconds, partial(exit_hard, dump_stacks=True)).run(),
                    measure_event_loop_lag(self._recorder.metrics),
                )
                others = [self._tasks.create_task(step) for step in (*steps, *watching)]
                await self._stop.requested()
                await asyncio.wait({fetching}, timeout=LAST_FETCH_SECONDS)
                fetching.cancel()
                await self._consumer.release()
                for task in others:
                    task.cancel()
        finally:
            await self._consumer.stop(self._settings.delivery.publish_floor_seconds)
            await self._publisher.close(self._settings.delivery.publish_floor_seconds)

    async def _fetch(self) -> None:
        await self._consumer.start()
        self._recorder.watch("fetch")
        # Ends between two fetches, not inside one: records that were delivered but not admitted would hold the drain.
        while not self._stop.is_requested:
            self._recorder.beat("fetch")
            self._hold_back()
            max_records, crowded = self._settings.kafka.fetch_max_records, self._backpressure.crowded
            for partition, records in await self._consumer.fetch(max_records, least_first=crowded):
                self._recorder.fetched(partition, len(records))
                await self._intake.take(partition, records)

    def _hold_back(self) -> None:
        """Fetch from no partition while enough work waits, and never from one whose results cannot be published."""
        partitions = self._consumer.partitions
        load = Load(
            self._batcher.queued_seconds,
            sum(partition.in_flight for partition in partitions),
            sum(partition.in_flight_bytes for partition in partitions),
        )
        holding = self._backpressure.holds(load)
        self._recorder.backlog(load, holding, self._batcher.queued_messages)
        intake = self._intake
        self._consumer.pause(
            [
                each
                for each in partitions
                if (holding and not intake.needs(each)) or each.blocked or intake.holds_back(each)
            ]
        )

    async def _admit(self, partition: Partition, records: list[Record]) -> None:
        admitted = await self._admission.admit(partition, records)
        now = time.monotonic()
        for outcome in admitted:
            if isinstance(outcome, Result):
                partition.conclude(outcome)
            elif not partition.revoked:
                self._enqueue(outcome, now)
        self._work_arrived.set()

    def _condemn(self, partition: Partition, record: Record, trial: Try) -> None:
        detail = f"in flight in {trial.crashes} crashes of a worker, in the last ones alone"
        partition.conclude(self._admission.condemn(record, detail))

    async def _write_mark(self, partition: Partition) -> bool:
        """Commit the partition's mark; says whether that succeeded."""
        if not self._publisher.commits_offsets:
            return await self._consumer.commit()
        try:
            await self._publisher.mark(partition)
        except PublishError as failure:
            self._recorder.publish_failed(partition, failure)
            return False
        self._recorder.publish_succeeded(partition)
        return True

    def _enqueue(self, message: Message, now: float) -> None:
        """Let a message wait for its batch, unless an equal one has its score or is about to get it."""
        met = self._duplicates.meet(message.duplicate_key, message)
        if isinstance(met, New):
            self._batcher.add(message, now)
            return
        self._recorder.duplicate_met(message)
        if isinstance(met, Known):
            message.partition.conclude(self._enrichment.result(message, met.scored, now))

    def _enqueue_forgotten(self, message: Message, now: float) -> None:
        """Those that waited for this message's score have to be scored themselves."""
        for waiting in self._duplicates.forget(message.duplicate_key):
            if not waiting.partition.revoked:
                self._enqueue(waiting, now)

    async def _infer(self) -> None:
        self._recorder.watch("infer")
        while True:
            self._recorder.beat("infer")
            self._work_arrived.clear()
            decision = self._batcher.next_batch(time.monotonic())
            for message in self._batcher.take_dropped():
                message.partition.conclude(self._enrichment.late(message, time.monotonic()))
                self._enqueue_forgotten(message, time.monotonic())
            if isinstance(decision, Batch):
                await self._score(decision)
            else:
                await _set_or_passed(self._work_arrived, decision)

    async def _score(self, batch: Batch[Message]) -> None:
        bound_at = time.monotonic()
        trace = self._recorder.batch_bound(batch, bound_at)
        texts = [message.encoded for message in batch.messages]
        scored = await self._device.score(self._model, texts, batch.predicted_seconds)
        now = time.monotonic()
        if scored.out_of_memory:
            self._batcher.lower_token_cap(batch.token_count // 2)
        elif not scored.failed_passes:
            self._batcher.finished(batch, now - bound_at, now)
        self._recorder.batch_scored(batch, scored, trace, now)
        # Concluded by another task: the device gets its next batch while results are decided and published.
        self._scored.put_nowait((batch, scored))

    async def _conclude(self) -> None:
        while True:
            batch, scored = await self._scored.get()
            for start in range(0, len(batch.messages), MESSAGES_PER_LOOP_TURN):
                some = slice(start, start + MESSAGES_PER_LOOP_TURN)
                messages, outcomes, now = batch.messages[some], scored.outcomes[some], time.monotonic()
                results = await self._enrichment.results(messages, outcomes, now)
                for message, outcome, result in zip(messages, outcomes, results, strict=True):
                    self._conclude_message(message, outcome, result, now)

    def _conclude_message(self, message: Message, outcome: Logits | Exception, result: Result, now: float) -> None:
        message.partition.conclude(result)
        if isinstance(outcome, Exception):
            self._enqueue_forgotten(message, now)
            return
        for equal in self._duplicates.scored(message.duplicate_key, outcome):
            equal.ride(message)
            equal.partition.conclude(self._enrichment.result(equal, outcome, now))

    def _take_up(self, partition: Partition) -> None:
        self._intake.open(partition, self._tasks)
        self._publishing[partition] = self._tasks.create_task(self._publish(partition), name=f"publish {partition}")

    async def _publish(self, partition: Partition) -> None:
        """Publish one partition's results in order; a result that is not acknowledged is tried again for ever."""
        results: list[Result] = []
        retry_seconds = FIRST_RETRY_SECONDS
        while True:
            if not results:
                results = await partition.next_results()
                self._refuse_flood(results)
            began_at = time.monotonic()
            try:
                await self._publisher.publish(partition, results)
            except PublishError as failure:
                partition.blocked = True
                self._recorder.publish_failed(partition, failure)
                await asyncio.sleep(retry_seconds)
                retry_seconds = min(2 * retry_seconds, LONGEST_RETRY_SECONDS)
            else:
                partition.blocked = False
                self._recorder.publish_succeeded(partition)
                self._publish_estimate.observe(time.monotonic() - began_at)
                self._batcher.publish_seconds = self._publish_estimate.seconds
                retry_seconds = FIRST_RETRY_SECONDS
            acknowledged = [result for result in results if result.acknowledged]
            partition.published(acknowledged)
            self._recorder.published(acknowledged)
            results = [result for result in results if not result.acknowledged]

    def _refuse_flood(self, results: list[Result]) -> None:
        """End the worker before it publishes a flood of dead letters: they stay in their topic, uncommitted."""
        # Late ones are left out: they tell of load, which stopping only makes worse.
        dead = [result for result in results if result.dead_letter_reason not in (None, DeadLetterReason.LATE)]
        limit = self._flood_limit
        if limit.count(len(results), len(dead), time.monotonic()):
            reasons = ", ".join(sorted({str(result.dead_letter_reason) for result in dead}))
            raise FloodError(
                f"{limit.dead_letters} of {limit.results} records became dead letters within "
                f"{self._settings.delivery.flood_window_seconds:g} s (of late: {reasons or 'none'}): correct the "
                "input, the policies or the mapping, or raise delivery.flood_share; "
                "what was not published is delivered again"
            )

    async def _commit(self) -> None:
        self._recorder.watch("commit")
        while True:
            await asyncio.sleep(self._settings.delivery.commit_interval_seconds)
            await self._consumer.commit()
            self._recorder.beat("commit")

    async def _drain(self, partitions: Collection[Partition]) -> None:
        """Let what is in flight finish within the budget; what cannot be scored in time goes back to Kafka."""
        delivery = self._settings.delivery
        for partition in partitions:
            self._intake.close(partition)
        try:
            async with asyncio.timeout(delivery.drain_budget_seconds - delivery.publish_floor_seconds):
                await _all_drained(partitions)
        except TimeoutError:
            returned = self._batcher.discard(lambda message: message.partition in partitions)
            for message in returned:
                message.partition.abandon(1)
                for waiting in self._duplicates.forget(message.duplicate_key):
                    if waiting.partition in partitions:
                        waiting.partition.abandon(1)
                    else:
                        self._enqueue(waiting, time.monotonic())
            log.warning("drain budget spent: unscored records will be delivered again", records=len(returned))
            try:
                async with asyncio.timeout(delivery.publish_floor_seconds / 2):
                    await _all_drained(partitions)
            except TimeoutError:
                log.warning("some results were not acknowledged in time and will be made again")
        finally:
            await self._take_marks_away(partitions)
            for partition in partitions:
                self._intake.end(partition)
                # A rebalance may begin while a stop already drains: both give up the same partitions.
                if publishing := self._publishing.pop(partition, None):
                    publishing.cancel()
                self._publisher.release(partition)
                self._recorder.partition_closed(partition)

    async def _take_marks_away(self, partitions: Collection[Partition]) -> None:
        """Tell the next owner that this one did not die; at least once, the consumer's last commit carries that."""
        for partition in partitions:
            partition.attempts.close()
        # A producer that fails may have been fenced: starting another one would fence the next owner in its turn.
        ours = [each for each in partitions if each in self._publishing and not each.blocked]
        try:
            async with asyncio.timeout(self._settings.delivery.publish_floor_seconds / 2):
                await asyncio.gather(*(self._publisher.mark(partition) for partition in ours))
        except (PublishError, TimeoutError) as error:
            log.warning("the next owner will take this for a crash", error=str(error))


async def _all_drained(partitions: Collection[Partition]) -> None:
    await asyncio.gather(*(partition.drained() for partition in partitions))


async def _set_or_passed(event: asyncio.Event, until: float) -> None:
    """Wait for the event, or until a monotonic time."""
    try:
        async with asyncio.timeout(max(0.0, min(until - time.monotonic(), LONGEST_IDLE_SECONDS))):
            await event.wait()
    except TimeoutError:
        return
