"""Results out: in order, retried for ever, refused when they are a flood; and the marks of their partitions."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import Protocol

import structlog

from schemas.records import DeadLetterReason
from schemas.settings import DeliverySettings
from worker.backoff import Backoff
from worker.errors import BrokerRefusalError, FloodError
from worker.in_flight.flood_limit import FloodLimit
from worker.in_flight.message import Message, Result
from worker.in_flight.partition import Partition
from worker.in_flight.patience import Patience
from worker.in_flight.publish_estimate import PublishEstimate
from worker.in_flight.publisher import Publisher, PublishError
from worker.stream.recorder import Recorder

log = structlog.get_logger(__name__)

FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 0.2, 10.0


class PlansAhead(Protocol):
    """Who has to know how long publishing takes."""

    publish_seconds: float


class Outlet:
    """Publishes each partition's results in a task of its own, from `open` to `close`."""

    def __init__(
        self,
        publisher: Publisher,
        *,
        commit: Callable[[], Awaitable[bool]],
        delivery: DeliverySettings,
        batcher: PlansAhead,
        recorder: Recorder,
        refuse: Callable[[Result, str], Result],
    ) -> None:
        """`commit` commits every offset and mark that is due, and says whether that succeeded. `refuse` makes the dead
        letter of a result that the brokers refuse, and why."""
        self._publisher = publisher
        self._commit = commit
        self._delivery = delivery
        self._batcher = batcher
        self._recorder = recorder
        self._refuse = refuse
        self._flood_limit = FloodLimit(
            delivery.flood_share, delivery.flood_window_seconds, delivery.flood_least_dead_letters
        )
        self._publish_estimate = PublishEstimate()
        self._tasks: dict[Partition, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Hold a group for the partitions' tasks, for ever; it must have begun before the first `open`."""
        async with asyncio.TaskGroup() as self._group:
            await asyncio.Event().wait()

    def open(self, partition: Partition[Result]) -> None:
        """Publish what the partition concludes from now on."""
        self._tasks[partition] = self._group.create_task(self._publish(partition), name=f"publish {partition}")

    async def close(self, partitions: Collection[Partition]) -> None:
        """Take the marks of these partitions away, then publish nothing more of them."""
        await self._take_marks_away(partitions)
        for partition in partitions:
            # A rebalance may begin while a stop already drains: both give up the same partitions.
            if publishing := self._tasks.pop(partition, None):
                publishing.cancel()
            self._publisher.close(partition)
            self._recorder.partition_closed(partition)

    async def write_mark(self, partition: Partition) -> bool:
        """Commit the partition's mark; says whether that succeeded."""
        if not self._publisher.commits_offsets:
            return await self._commit()
        try:
            await self._publisher.write_mark(partition)
        except PublishError as failure:
            self._recorder.publish_failed(partition, failure)
            return False
        self._recorder.publish_succeeded(partition)
        return True

    async def _publish(self, partition: Partition[Result]) -> None:
        """Publish one partition's results in order; a result that is not acknowledged is tried again for ever, unless
        brokers answer and refuse it.

        Where the brokers refuse a record for what it is, its whole round fails: each result is then tried alone, and
        what is refused alone becomes a dead letter.
        """
        results: list[Result] = []
        alone = False
        backoff = Backoff(FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS)
        patience = Patience(self._delivery.stuck_seconds)
        while True:
            if not results:
                results = await partition.next_results()
                self._refuse_flood(results)
                alone = False
            began_at = time.monotonic()
            try:
                if alone:
                    await self._publisher.publish_alone(partition, results[0])
                else:
                    await self._publisher.publish(partition, results)
            except PublishError as failure:
                if failure.refuses_record:
                    if alone:
                        results[0] = self._refused(results[0], failure)
                    alone = True
                    continue
                partition.blocked = True
                self._recorder.publish_failed(partition, failure)
                self._bear(failure, patience)
                await backoff.wait()
            else:
                partition.blocked = False
                patience.succeeded()
                self._recorder.publish_succeeded(partition)
                self._publish_estimate.observe(time.monotonic() - began_at)
                self._batcher.publish_seconds = self._publish_estimate.seconds
                backoff.reset()
            acknowledged = [result for result in results if result.acknowledged]
            partition.published(acknowledged)
            self._recorder.published(acknowledged)
            results = [result for result in results if not result.acknowledged]

    def _bear(self, failure: PublishError, patience: Patience) -> None:
        """Wait for brokers that are away without end, and no longer than for any standstill for those that refuse."""
        if failure.away:
            patience.unanswered()
        elif patience.refused(time.monotonic()):
            long = f"refused for {self._delivery.stuck_seconds:g} s (delivery.stuck_seconds)"
            raise BrokerRefusalError(f"{long}: {failure}") from failure

    def _refused(self, result: Result, failure: PublishError) -> Result:
        """The dead letter that takes the place of a refused result. Raises BrokerRefusalError for one that is one."""
        if result.dead_letter_reason is not None:
            raise BrokerRefusalError(f"the brokers refuse a dead letter, which has no other place to go to: {failure}")
        log.warning("a record is refused by the brokers and becomes a dead letter", reason=str(failure))
        dead_letter = self._refuse(result, str(failure))
        self._refuse_flood([dead_letter])
        return dead_letter

    def expect(self, outcomes: Iterable[Message | Result]) -> None:
        """Records were admitted: they count as read, whenever their results come."""
        self._flood_limit.read(Counter(map(_tenant, outcomes)), time.monotonic())

    def _refuse_flood(self, results: list[Result]) -> None:
        """End the worker before it publishes a flood of dead letters: they stay in their topic, uncommitted."""
        # Late ones are left out: they tell of load, which stopping only makes worse.
        dead = [result for result in results if result.dead_letter_reason not in (None, DeadLetterReason.LATE)]
        if not dead:
            return
        now = time.monotonic()
        self._flood_limit.die(Counter(map(_tenant, dead)), now)
        flood = self._flood_limit.flood(now)
        self._recorder.tenants_flooding(flood.tenants, self._delivery.flood_share)
        if flood.exceeded:
            reasons = ", ".join(sorted({str(result.dead_letter_reason) for result in dead}))
            raise FloodError(
                f"{flood.dead} of {flood.read} records ({flood.dead / max(1, flood.read):.0%}) that were read within "
                f"{self._delivery.flood_window_seconds:g} s became dead letters (of late: {reasons}), and "
                f"delivery.flood_share allows {self._delivery.flood_share:.0%}: correct the input, the policies or the "
                "mapping, or raise it; what was not published is delivered again"
            )

    async def _take_marks_away(self, partitions: Collection[Partition]) -> None:
        """Tell the next owner that this one did not die; at least once, the consumer's last commit carries that."""
        for partition in partitions:
            partition.suspects.close()
        # A producer that fails may have been fenced: starting another one would fence the next owner in its turn.
        ours = [each for each in partitions if each in self._tasks and not each.blocked]
        try:
            async with asyncio.timeout(self._delivery.publish_floor_seconds / 2):
                await asyncio.gather(*(self._publisher.write_mark(partition) for partition in ours))
        except (PublishError, TimeoutError) as error:
            log.warning("the next owner will take this for a crash", error=str(error))


def _tenant(outcome: Message | Result) -> str | None:
    """Whose record it was; a name that no policy knows may be anything a producer writes."""
    unknown = isinstance(outcome, Result) and outcome.dead_letter_reason is DeadLetterReason.TENANT_UNKNOWN
    return None if unknown else outcome.tenant
