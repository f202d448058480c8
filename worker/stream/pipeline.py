"""The stream: fetch → admit → batch → score → decide → publish → commit. This file joins the stages and drains them."""

import asyncio
from collections.abc import Callable, Collection
from functools import partial

import structlog
from aiokafka import AIOKafkaConsumer

from schemas.settings import Settings
from worker.content.admission import Admission
from worker.health.event_loop import LoopGuard, measure_event_loop_lag
from worker.health.stopping import StopSignal, exit_hard
from worker.in_flight.backpressure import Backpressure, Load
from worker.in_flight.message import Result
from worker.in_flight.partition import Partition
from worker.in_flight.publisher import Publisher
from worker.kafka.consumer import GroupConsumer
from worker.policies.watcher import PolicyWatcher
from worker.stream.gate import Gate
from worker.stream.intake import Intake
from worker.stream.monitor import watch_backlog
from worker.stream.outlet import Outlet
from worker.stream.recorder import Recorder
from worker.stream.scoring import Scoring

log = structlog.get_logger(__name__)

LAST_FETCH_SECONDS = 2.0


class Pipeline:
    """One worker's stream, from joining the group to leaving it.

    consumer → intake → admission → scoring → outlet → consumer's commit. Each stage opens a partition when it is
    assigned, runs, and closes it in this order when it is given up.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        create_consumer: Callable[[], AIOKafkaConsumer],
        admission: Admission,
        scoring: Scoring,
        publisher: Publisher,
        backpressure: Backpressure,
        policies: PolicyWatcher,
        recorder: Recorder,
        stop: StopSignal,
    ) -> None:
        self._kafka, self._delivery = settings.kafka, settings.delivery
        self._consumer = GroupConsumer(
            create_consumer, settings.input.topics, settings.kafka, recorder.metrics, publisher=publisher, stream=self
        )
        self._outlet = Outlet(
            publisher,
            commit=self._consumer.commit,
            delivery=settings.delivery,
            batcher=scoring.batcher,
            recorder=recorder,
            refuse=admission.refuse,
        )
        self._admission = admission
        self._scoring = scoring
        self._intake = Intake(Gate(admission, scoring, self._outlet))
        self._publisher = publisher
        self._backpressure = backpressure
        self._policies = policies
        self._recorder = recorder
        self._stop = stop

    async def run(self) -> None:
        """Work until a stop is requested, then drain, commit and leave the group. Raises what ended it before."""
        stuck_seconds = self._delivery.stuck_seconds
        try:
            async with asyncio.TaskGroup() as tasks:
                stages = (self._outlet.run(), self._scoring.run(), self._intake.run(), self._commit())
                watching = (
                    self._consumer.failure(),
                    self._policies.run(),
                    watch_backlog(self._consumer, self._scoring.batcher, self._intake, self._recorder, stuck_seconds),
                    LoopGuard(stuck_seconds, partial(exit_hard, dump_stacks=True)).run(),
                    measure_event_loop_lag(self._recorder.metrics),
                )
                others = [tasks.create_task(each) for each in (*stages, *watching)]
                # Last: the stages' own tasks must run before the first partition is opened.
                fetching = tasks.create_task(self._fetch())
                await self._stop.requested()
                await asyncio.wait({fetching}, timeout=LAST_FETCH_SECONDS)
                fetching.cancel()
                await self._consumer.give_up()
                for task in others:
                    task.cancel()
        finally:
            self._admission.close()
            self._scoring.close()
            await self._consumer.stop(self._delivery.publish_floor_seconds)
            await self._publisher.stop(self._delivery.publish_floor_seconds)

    async def _fetch(self) -> None:
        await self._consumer.start()
        self._recorder.watch("fetch")
        # Ends between two fetches, not inside one: records that were delivered but not admitted would hold the drain.
        while not self._stop.is_requested:
            self._recorder.beat("fetch")
            self._hold_back()
            max_records, crowded = self._kafka.fetch_max_records, self._backpressure.crowded
            for partition, records in await self._consumer.fetch(max_records, least_first=crowded):
                self._recorder.fetched(partition, len(records))
                await self._intake.take(partition, records)

    def _hold_back(self) -> None:
        """Fetch from no partition while enough work waits, and never from one whose results cannot be published."""
        partitions, batcher = self._consumer.partitions, self._scoring.batcher
        load = Load(
            batcher.queued_seconds,
            sum(partition.in_flight for partition in partitions),
            sum(partition.in_flight_bytes for partition in partitions),
        )
        holding = self._backpressure.holds(load)
        self._recorder.backlog(load, holding, batcher.queued_messages)
        self._consumer.pause(
            [each for each in partitions if each.blocked or not self._intake.wants(each, crowded=holding)]
        )

    async def _commit(self) -> None:
        self._recorder.watch("commit")
        while True:
            await asyncio.sleep(self._delivery.commit_interval_seconds)
            await self._consumer.commit()
            self._recorder.beat("commit")

    def open(self, partition: Partition[Result]) -> None:
        """A partition is assigned."""
        self._intake.open(partition)
        self._outlet.open(partition)

    async def close(self, partitions: Collection[Partition[Result]]) -> None:
        """Let what is in flight finish within the budget; what cannot be scored in time goes back to Kafka."""
        floor_seconds = self._delivery.publish_floor_seconds
        for partition in partitions:
            self._intake.close(partition)
        try:
            if not await _drained(partitions, within_seconds=self._delivery.drain_budget_seconds - floor_seconds):
                returned = self._scoring.give_back(partitions)
                log.warning("drain budget spent: unscored records will be delivered again", records=returned)
                if not await _drained(partitions, within_seconds=floor_seconds / 2):
                    log.warning("some results were not acknowledged in time and will be made again")
        finally:
            # The marks last, and before the publisher forgets the partition: whoever reads one later counts a crash.
            await self._outlet.close(partitions)
            for partition in partitions:
                self._intake.end(partition)


async def _drained(partitions: Collection[Partition[Result]], *, within_seconds: float) -> bool:
    try:
        async with asyncio.timeout(within_seconds):
            await asyncio.gather(*(partition.drained() for partition in partitions))
    except TimeoutError:
        return False
    return True
