import asyncio

import pytest
from aiokafka import ConsumerRecord
from support.records import consumer_record

from schemas.records import DeadLetterReason
from worker.in_flight.message import Result
from worker.in_flight.outgoing import Outgoing
from worker.in_flight.partition import Partition
from worker.telemetry.tracing import NOT_TRACED


def record(offset: int, key: bytes | None = None) -> ConsumerRecord:
    return consumer_record(b"value", key=key, offset=offset, timestamp_ms=1000 + offset)


def result_of(of: ConsumerRecord) -> Result:
    outgoing = [Outgoing("out", of.key, b"{}", [], acknowledged=True)]
    return Result(of, outgoing, NOT_TRACED, 0.0, DeadLetterReason.TEXT_EMPTY)


@pytest.fixture
def partition() -> Partition:
    return Partition("in", 0, epoch=1, next_offset=0)


async def test_a_published_record_leaves_nothing_in_flight(partition: Partition):
    first = record(0, b"key")
    partition.deliver(first, now=5.0)
    assert (partition.in_flight, partition.in_flight_bytes, partition.oldest) == (1, 8, (5.0, 1000))
    partition.conclude(result_of(first))
    results = await partition.next_results()
    assert partition.tracker.uncommitted is None
    partition.published(results)
    assert (partition.in_flight, partition.in_flight_bytes, partition.oldest) == (0, 0, None)
    assert partition.tracker.uncommitted == 1


async def test_results_of_a_key_come_out_in_input_order(partition: Partition):
    records = [record(0, b"a"), record(1, b"a"), record(2, b"b")]
    for each in records:
        partition.deliver(each, now=0.0)
    partition.conclude(result_of(records[2]))
    partition.conclude(result_of(records[1]))
    assert [result.offset for result in await partition.next_results()] == [2]
    partition.conclude(result_of(records[0]))
    assert [result.offset for result in await partition.next_results()] == [0, 1]


async def test_in_offset_order_no_result_overtakes_another_of_whatever_key():
    partition = Partition("in", 0, epoch=1, next_offset=0, in_offset_order=True)
    records = [record(0, b"a"), record(4), record(5, b"b")]
    for each in records:
        partition.deliver(each, now=0.0)
    for each in reversed(records):
        partition.conclude(result_of(each))
    assert [result.offset for result in await partition.next_results()] == [0, 4, 5]


async def test_a_revoked_partition_accepts_no_result(partition: Partition):
    partition.deliver(record(0), now=0.0)
    partition.revoked = True
    partition.conclude(result_of(record(0)))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await partition.next_results()


async def test_drained_waits_for_what_is_in_flight_but_not_for_what_was_abandoned(partition: Partition):
    await partition.drained()
    for offset in (0, 1):
        partition.deliver(record(offset), now=0.0)
    waiting = asyncio.create_task(partition.drained())
    partition.abandon(1)
    await asyncio.sleep(0)
    assert not waiting.done()
    partition.conclude(result_of(record(1)))
    partition.published(await partition.next_results())
    await waiting
    assert partition.tracker.uncommitted is None


async def test_whoever_waits_for_an_offset_is_woken_when_every_record_below_it_is_done(partition: Partition):
    records = [record(offset) for offset in (0, 3, 7)]
    for each in records:
        partition.deliver(each, now=0.0)
    waiting = asyncio.create_task(partition.passes(4))
    await asyncio.sleep(0)
    for each in (records[1], records[2]):
        partition.published([result_of(each)])
        await asyncio.sleep(0)
        assert not waiting.done()
    partition.published([result_of(records[0])])
    async with asyncio.timeout(5):
        await waiting
        await partition.passes(100)


async def test_nobody_waits_for_an_offset_of_a_partition_that_is_closing(partition: Partition):
    partition.deliver(record(0), now=0.0)
    waiting = asyncio.create_task(partition.passes(1))
    await asyncio.sleep(0)
    partition.begin_closing()
    async with asyncio.timeout(5):
        await waiting
