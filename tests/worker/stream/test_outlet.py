"""The outlet on partitions without Kafka: what is published, when it is tried again, and what ends it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import cast

import pytest
from structlog.testing import capture_logs
from support.messages import message
from support.publishing import ListPublisher
from support.records import consumer_record

from schemas.records import DeadLetterReason
from schemas.settings import DeliverySettings
from worker.errors import BrokerRefusalError, FloodError
from worker.health.conditions import Health
from worker.in_flight.message import Result
from worker.in_flight.outgoing import Outgoing
from worker.in_flight.partition import Partition
from worker.in_flight.publisher import PublishError
from worker.stream import outlet as outlet_module
from worker.stream.outlet import Outlet
from worker.stream.recorder import CONDITIONS, PUBLISHING, Recorder
from worker.telemetry.metrics import Metrics
from worker.telemetry.tracing import NOT_TRACED, Tracing


class Planner:
    publish_seconds = 0.0


class Bench:
    """One outlet that runs, and what its tests look at."""

    def __init__(self, publisher: ListPublisher, delivery: DeliverySettings | None = None) -> None:
        self.publisher = publisher
        self.planner = Planner()
        self.health = Health(CONDITIONS)
        self.commits = 0
        self.outlet = Outlet(
            publisher,
            commit=self.commit,
            delivery=delivery or DeliverySettings(),
            batcher=self.planner,
            recorder=Recorder(Metrics(), Tracing(None), self.health, max_silence_seconds=10),
            refuse=self.refuse,
        )

    def refuse(self, result: Result, detail: str) -> Result:
        outgoing = [Outgoing("dead", None, b"dead %d: %s" % (result.offset, detail.encode()), [])]
        return Result(result.record, outgoing, NOT_TRACED, 0.0, DeadLetterReason.PUBLISH_REFUSED, tenant=result.tenant)

    async def commit(self) -> bool:
        self.commits += 1
        return True

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0.001)


def assigned(number: int = 0) -> Partition[Result]:
    return Partition[Result]("in", number, epoch=1, next_offset=0)


def conclude(
    partition: Partition[Result],
    *offsets: int,
    reason: DeadLetterReason | None = None,
    tenant: str | None = None,
    outlet: Outlet | None = None,
) -> None:
    """`outlet`: one that is told beforehand what was read."""
    results: list[Result] = []
    for offset in offsets:
        record = consumer_record(offset=offset)
        partition.deliver(record, 0.0)
        outgoing = [Outgoing("out", None, b"%d" % offset, [])]
        results.append(Result(record, outgoing, NOT_TRACED, 0.0, reason, tenant=tenant))
    if outlet is not None:
        outlet.expect(results)
    for result in results:
        partition.conclude(result)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench(ListPublisher())
    running = asyncio.create_task(bench.outlet.run())
    await asyncio.sleep(0)
    yield bench
    running.cancel()
    await asyncio.wait({running})


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlet_module, "FIRST_RETRY_SECONDS", 0.001)
    monkeypatch.setattr(outlet_module, "LONGEST_RETRY_SECONDS", 0.002)


async def test_results_leave_in_order_and_only_then_may_the_offset_move(bench: Bench):
    partition = assigned()
    bench.outlet.open(partition)
    bench.publisher.open_gate.clear()
    conclude(partition, 0, 1, 2)
    await asyncio.sleep(0.01)
    assert partition.tracker.watermark == 0
    bench.publisher.open_gate.set()
    await bench.until(lambda: partition.tracker.watermark == 3)
    assert bench.publisher.published == [b"0", b"1", b"2"]


async def test_a_refused_round_is_tried_until_it_succeeds_and_fails_readiness_meanwhile(bench: Bench):
    partition = assigned()
    bench.outlet.open(partition)
    bench.publisher.refuses = True
    conclude(partition, 0)
    await bench.until(lambda: bench.publisher.steps.count("refused") >= 3)
    assert partition.blocked
    assert any(PUBLISHING in reason for reason in bench.health.not_ready(0.0))
    bench.publisher.refuses = False
    await bench.until(lambda: partition.tracker.watermark == 1)
    assert not partition.blocked
    assert not any(PUBLISHING in reason for reason in bench.health.not_ready(0.0))


async def test_what_publishing_takes_is_told_to_the_batcher(bench: Bench):
    partition = assigned()
    bench.outlet.open(partition)
    bench.publisher.open_gate.clear()
    conclude(partition, 0)
    await asyncio.sleep(0.02)
    assert bench.planner.publish_seconds == 0.0
    bench.publisher.open_gate.set()
    await bench.until(lambda: partition.tracker.watermark == 1)
    assert bench.planner.publish_seconds > 0.0


async def test_a_flood_of_dead_letters_ends_the_worker_before_it_is_published():
    bench = Bench(ListPublisher(), DeliverySettings(flood_share=0.5, flood_least_dead_letters=3))
    running = asyncio.create_task(bench.outlet.run())
    await asyncio.sleep(0)
    partition = assigned()
    bench.outlet.open(partition)
    conclude(partition, 0, 1, 2, reason=DeadLetterReason.INVALID_JSON, outlet=bench.outlet)
    with pytest.raises(BaseExceptionGroup) as ended:
        await running
    assert ended.group_contains(
        FloodError,
        match=r"3 of 3 records \(100%\) that were read within 300 s became .*invalid_json.*flood_share allows 50%",
    )
    assert (bench.publisher.published, partition.tracker.watermark) == ([], 0)


async def test_good_records_that_still_wait_for_the_device_count_as_read(bench: Bench):
    partition = assigned()
    bench.outlet.open(partition)
    bench.outlet.expect([message(partition, offset) for offset in range(2000)])
    conclude(partition, *range(300), reason=DeadLetterReason.TEXT_MISSING, tenant="shop", outlet=bench.outlet)
    await bench.until(lambda: partition.tracker.watermark == 300)


async def test_one_tenants_flood_is_said_and_counted_and_the_others_are_served(bench: Bench):
    partition = assigned()
    bench.outlet.open(partition)
    with capture_logs() as logs:
        conclude(partition, *range(300), tenant="shop", outlet=bench.outlet)
        conclude(partition, *range(300, 500), reason=DeadLetterReason.TEXT_MISSING, tenant="bad", outlet=bench.outlet)
        await bench.until(lambda: partition.tracker.watermark == 500)
    said = [entry for entry in logs if "too many of a tenant's records" in entry["event"]]
    assert [entry["tenant"] for entry in said] == ["bad"]


async def test_unknown_tenants_are_nobody_to_spare(bench: Bench):
    partition = assigned()
    bench.outlet.open(partition)
    conclude(partition, *range(300), tenant="shop", outlet=bench.outlet)
    nobody = DeadLetterReason.TENANT_UNKNOWN
    results = [Result(consumer_record(offset=n), [], NOT_TRACED, 0.0, nobody, tenant="nobody") for n in range(200)]
    bench.outlet.expect(results)
    with pytest.raises(FloodError, match=r"200 of 500 records"):
        bench.outlet._refuse_flood(results)


async def test_late_dead_letters_are_no_flood(bench: Bench):
    partition = assigned()
    bench.outlet.open(partition)
    conclude(partition, *range(1000), reason=DeadLetterReason.LATE)
    await bench.until(lambda: partition.tracker.watermark == 1000)


async def test_marks_are_written_with_the_offsets_by_whoever_commits_them():
    consumers, publishers = Bench(ListPublisher()), Bench(ListPublisher(commits_offsets=True))
    assert await consumers.outlet.write_mark(assigned())
    assert (consumers.commits, consumers.publisher.steps) == (1, [])
    assert await publishers.outlet.write_mark(assigned())
    assert publishers.commits == 0
    assert publishers.publisher.steps == ["mark 'gliclass-worker/1 together 500:0:0'"]


async def test_a_mark_that_cannot_be_written_says_so():
    bench = Bench(ListPublisher(commits_offsets=True))
    bench.publisher.refuses = True
    assert not await bench.outlet.write_mark(assigned())


async def test_closing_takes_the_marks_away_last_and_before_the_publisher_forgets_the_partition(bench: Bench):
    first, second = assigned(0), assigned(1)
    for partition in (first, second):
        bench.outlet.open(partition)
    conclude(first, 0)
    await bench.until(lambda: first.tracker.watermark == 1)
    await bench.outlet.close([first, second])
    assert bench.publisher.steps == ["publish [0]", "mark ''", "mark ''", "close in-0@1", "close in-1@1"]


async def test_a_partition_whose_publishing_fails_keeps_its_mark_for_it_may_be_another_ones_by_now(bench: Bench):
    partition = assigned()
    bench.outlet.open(partition)
    partition.blocked = True
    await bench.outlet.close([partition])
    assert bench.publisher.steps == ["close in-0@1"]


async def test_nothing_of_a_closed_partition_is_published(bench: Bench):
    partition = assigned()
    bench.outlet.open(partition)
    await bench.outlet.close([partition])
    conclude(partition, 0)
    await asyncio.sleep(0.02)
    assert bench.publisher.published == []


async def test_two_drains_may_give_up_the_same_partition(bench: Bench):
    partition = assigned()
    bench.outlet.open(partition)
    await asyncio.gather(bench.outlet.close([partition]), bench.outlet.close([partition]))
    assert bench.publisher.steps.count("close in-0@1") == 2


async def test_a_record_that_the_brokers_refuse_becomes_a_dead_letter_and_its_neighbours_come_out_in_order(
    bench: Bench,
):
    partition = assigned()
    bench.outlet.open(partition)
    bench.publisher.refused_values = {b"1", b"3"}
    conclude(partition, *range(200), tenant="shop", outlet=bench.outlet)
    await bench.until(lambda: partition.tracker.watermark == 200)
    refused = b"dead %d: out: InvalidRecordError (broker error 87)"
    assert bench.publisher.published[:5] == [b"0", refused % 1, b"2", refused % 3, b"4"]
    assert bench.publisher.published[5:] == [b"%d" % offset for offset in range(5, 200)]
    assert not partition.blocked


async def test_a_dead_letter_that_the_brokers_refuse_ends_the_worker_with_the_reason():
    bench = Bench(ListPublisher())
    bench.publisher.refused_values = {b"0"}
    running = asyncio.create_task(bench.outlet.run())
    await asyncio.sleep(0)
    partition = assigned()
    bench.outlet.open(partition)
    conclude(partition, 0, reason=DeadLetterReason.INVALID_JSON, outlet=bench.outlet)
    with pytest.raises(BaseExceptionGroup) as ended:
        await running
    assert ended.group_contains(BrokerRefusalError, match=r"refuse a dead letter.*broker error 87")
    assert partition.tracker.watermark == 0


async def test_many_refused_records_are_a_flood_like_any_other():
    bench = Bench(ListPublisher(), DeliverySettings(flood_least_dead_letters=3))
    bench.publisher.refused_values = {b"%d" % offset for offset in range(10)}
    running = asyncio.create_task(bench.outlet.run())
    await asyncio.sleep(0)
    partition = assigned()
    bench.outlet.open(partition)
    conclude(partition, *range(10), tenant="shop", outlet=bench.outlet)
    with pytest.raises(BaseExceptionGroup) as ended:
        await running
    assert ended.group_contains(FloodError, match=r"publish_refused")


async def until_ended(away: bool) -> BaseExceptionGroup | None:
    """What ends an outlet whose publisher fails for a tenth of a second longer than a standstill may last."""
    bench = Bench(ListPublisher(), DeliverySettings(stuck_seconds=0.1))

    async def refuses(partition: object, results: object) -> None:
        raise PublishError("out: TopicAuthorizationFailedError", away=away) from OSError("refused")

    bench.publisher.publish = refuses
    running = asyncio.create_task(bench.outlet.run())
    await asyncio.sleep(0)
    partition = assigned()
    bench.outlet.open(partition)
    conclude(partition, 0, outlet=bench.outlet)
    await bench.until(lambda: partition.blocked)
    assert any("TopicAuthorizationFailedError" in reason for reason in bench.health.not_ready(0.0))
    await asyncio.wait({running}, timeout=0.2 if away else 10)
    running.cancel()
    await asyncio.wait({running})
    return None if running.cancelled() else cast(BaseExceptionGroup, running.exception())


async def test_what_is_refused_for_as_long_as_a_standstill_may_last_ends_the_worker_with_the_reason():
    ended = await until_ended(away=False)
    assert ended is not None
    (refusal,) = ended.exceptions
    assert isinstance(refusal, BrokerRefusalError)
    assert str(refusal) == "refused for 0.1 s (delivery.stuck_seconds): out: TopicAuthorizationFailedError"


async def test_brokers_that_are_away_are_waited_for_longer_than_any_standstill():
    assert await until_ended(away=True) is None
