"""The intake on partitions without Kafka: what is worked on when, and what was written before."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from support.records import consumer_record

from worker.in_flight.message import Result
from worker.in_flight.partition import Partition
from worker.in_flight.record import Record
from worker.in_flight.suspects import Span, Trial, Work
from worker.stream.intake import MOST_HELD, Intake
from worker.telemetry.tracing import NOT_TRACED


def records(*offsets: int) -> list[Record]:
    return [consumer_record(offset=offset, key=None) for offset in offsets]


class Downstream:
    """Admits by finishing at once, unless told to hold; remembers each step with the mark that spoke of it."""

    def __init__(self) -> None:
        self.intake = Intake(self)
        self.steps: list[tuple[str, Work, list[int]]] = []
        self.condemned: list[int] = []
        self.marks_fail = False
        self.holding = False

    async def admit(self, partition: Partition, records: Sequence[Record]) -> None:
        work = partition.mark().work
        self.steps.append((partition.topic, work, [record.offset for record in records]))
        if not self.holding:
            self.finish(partition, records)

    def finish(self, partition: Partition, admitted: Sequence[Record]) -> None:
        partition.published([Result(each, [], NOT_TRACED, 0.0) for each in admitted])

    def condemn(self, partition: Partition, record: Record, trial: Trial) -> None:
        self.condemned.append(record.offset)
        self.finish(partition, [record])

    async def write_mark(self, partition: Partition) -> bool:
        await asyncio.sleep(0)
        if not self.marks_fail:
            partition.suspects.written(partition.mark(), partition.tracker.position)
        return not self.marks_fail

    async def deliver(self, partition: Partition, *offsets: int) -> None:
        fetched = records(*offsets)
        for record in fetched:
            partition.deliver(record, 0.0)
        await self.intake.take(partition, fetched)

    async def until(self, steps: int) -> None:
        async with asyncio.timeout(10):
            while len(self.steps) < steps:
                await asyncio.sleep(0.01)

    @property
    def offsets(self) -> list[list[int]]:
        return [offsets for _, _, offsets in self.steps]


@pytest.fixture
async def given() -> AsyncIterator[Downstream]:
    given = Downstream()
    running = asyncio.create_task(given.intake.run())
    await asyncio.sleep(0)
    yield given
    running.cancel()
    await asyncio.wait({running})


def partition(topic: str = "in", *suspects: Span) -> Partition:
    return Partition(topic, 0, epoch=1, next_offset=0, suspects=suspects)


def one_suspected(stream: Downstream) -> tuple[Partition, Partition]:
    """Two partitions of one assignment, the first with three suspects."""
    suspected, innocent = partition("a", Span(3, 1)), partition("b")
    stream.intake.open(suspected)
    stream.intake.open(innocent)
    return suspected, innocent


async def test_records_are_held_until_a_mark_that_speaks_of_them_is_written(given: Downstream):
    given.marks_fail = True
    one = partition()
    given.intake.open(one)
    await given.deliver(one, 0, 1, 2)
    await asyncio.sleep(0.05)
    assert given.steps == []
    given.marks_fail = False
    await given.until(1)
    await given.deliver(one, 3)
    assert given.steps == [("in", Work.TOGETHER, [0, 1, 2]), ("in", Work.TOGETHER, [3])]


async def test_suspects_are_tried_one_by_one_with_nothing_else_in_flight(given: Downstream):
    suspected, innocent = one_suspected(given)
    await given.deliver(innocent, 0, 1)
    assert given.intake.stands_still(innocent)
    await given.deliver(suspected, 0, 1, 2, 3, 4)
    await given.until(5)
    assert given.steps[:3] == [("a", Work.ALONE, [offset]) for offset in range(3)]
    assert sorted(given.steps[3:]) == [("a", Work.TOGETHER, [3, 4]), ("b", Work.TOGETHER, [0, 1])]
    assert not given.intake.stands_still(innocent)


async def test_the_next_suspect_waits_for_the_one_before_it(given: Downstream):
    given.holding = True
    one = partition("in", Span(2, 1))
    given.intake.open(one)
    await given.deliver(one, 0, 1)
    await given.until(1)
    await asyncio.sleep(0.05)
    assert given.offsets == [[0]]
    given.finish(one, records(0))
    await given.until(2)
    assert given.offsets == [[0], [1]]


async def test_a_condemned_record_is_not_admitted_and_the_others_are(given: Downstream):
    one = partition("in", Span(1, 3, 2), Span(4, 1))
    given.intake.open(one)
    await given.deliver(one, 0, 1, 2, 3)
    await given.until(3)
    assert given.condemned == [0]
    assert given.offsets == [[1], [2], [3]]


async def test_suspects_that_the_log_no_longer_has_hold_nobody_up(given: Downstream):
    one = partition("in", Span(5, 1))
    given.intake.open(one)
    one.tracker.skip_to(5)
    await given.deliver(one, 5, 6)
    await given.until(1)
    assert given.offsets == [[5, 6]]


async def test_a_partition_that_is_given_up_returns_what_waits_and_frees_the_others(given: Downstream):
    given.holding = True
    suspected, innocent = one_suspected(given)
    await given.deliver(suspected, 0, 1, 2)
    await given.deliver(innocent, 0)
    await given.until(1)
    suspected.begin_closing()
    given.intake.close(suspected)
    given.finish(suspected, records(0))
    async with asyncio.timeout(5):
        await suspected.drained()
    assert (suspected.tracker.watermark, suspected.in_flight) == (1, 2)
    await given.until(2)
    assert given.steps[1] == ("b", Work.TOGETHER, [0])


async def test_a_partition_of_which_much_is_held_is_not_fetched_from(given: Downstream):
    given.marks_fail = True
    one = partition()
    given.intake.open(one)
    await given.deliver(one, *range(MOST_HELD - 1))
    assert given.intake.wants(one, crowded=False)
    await given.deliver(one, MOST_HELD)
    assert not given.intake.wants(one, crowded=False)


async def test_while_suspects_are_tried_only_their_partition_is_fetched_from(given: Downstream):
    given.holding = True
    suspected, innocent = one_suspected(given)
    await given.deliver(suspected, 0, 1, 2)
    await given.until(1)
    for crowded in (True, False):
        assert given.intake.wants(suspected, crowded=crowded)
        assert not given.intake.wants(innocent, crowded=crowded)


async def test_nothing_more_is_fetched_where_it_is_crowded(given: Downstream):
    one = partition()
    given.intake.open(one)
    assert given.intake.wants(one, crowded=False)
    assert not given.intake.wants(one, crowded=True)


async def test_records_that_come_in_after_their_partition_was_given_up_hold_no_drain(given: Downstream):
    one = partition()
    given.intake.open(one)
    one.begin_closing()
    given.intake.close(one)
    await given.deliver(one, 0, 1)
    async with asyncio.timeout(5):
        await one.drained()
    assert given.steps == []
