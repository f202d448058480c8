from collections.abc import Sequence
from typing import Any, cast

from support.messages import message
from support.records import consumer_record

from schemas.records import DeadLetterReason
from worker.content.dead_letters import DeadLetters
from worker.in_flight.message import Message, Result
from worker.in_flight.partition import Partition
from worker.in_flight.record import Record
from worker.in_flight.suspects import Trial
from worker.stream.gate import Gate
from worker.telemetry.tracing import NOT_TRACED


class EvenOffsets:
    """Admits records of even offsets; the others cannot be read."""

    def __init__(self) -> None:
        self.dead_letters = DeadLetters("dead", 10**6)

    async def admit(self, partition: Partition[Result], records: Sequence[Record]) -> list[Message | Result]:
        return [
            message(partition, record.offset) if record.offset % 2 == 0 else self.unreadable(record)
            for record in records
        ]

    def unreadable(self, record: Record) -> Result:
        return self.dead_letters.of(record, DeadLetterReason.INVALID_JSON, "no JSON", NOT_TRACED)

    def condemn(self, record: Record, detail: str) -> Result:
        return self.dead_letters.of(record, DeadLetterReason.CRASHED_WORKER, detail, NOT_TRACED)


class Expecting:
    def __init__(self) -> None:
        self.offsets: list[int] = []

    def expect(self, outcomes: Sequence[Message | Result]) -> None:
        self.offsets += [each.offset for each in outcomes]


class Added:
    def __init__(self) -> None:
        self.offsets: list[int] = []

    def add(self, messages: Sequence[Message]) -> None:
        self.offsets += [each.offset for each in messages]


def taken(partition: Partition[Result], *offsets: int) -> list[Record]:
    records: list[Record] = [consumer_record(offset=offset, key=None) for offset in offsets]
    for record in records:
        partition.deliver(record, 0.0)
    return records


async def test_what_can_be_read_is_scored_and_the_rest_is_concluded_at_once():
    scoring, partition = Added(), Partition[Result]("in", 0, epoch=1, next_offset=0)
    outlet = Expecting()
    gate = Gate(cast(Any, EvenOffsets()), cast(Any, scoring), cast(Any, outlet))
    await gate.admit(partition, taken(partition, 0, 1, 2, 3))
    assert outlet.offsets == [0, 1, 2, 3]
    assert scoring.offsets == [0, 2]
    assert [result.offset for result in await partition.next_results()] == [1, 3]


async def test_a_condemned_record_is_a_dead_letter_that_says_how_often_it_was_there():
    partition = Partition[Result]("in", 0, epoch=1, next_offset=0)
    gate = Gate(cast(Any, EvenOffsets()), cast(Any, Added()), cast(Any, None))
    (record,) = taken(partition, 0)
    gate.condemn(partition, record, Trial(1, 3, condemned=True))
    (result,) = await partition.next_results()
    assert result.dead_letter_reason is DeadLetterReason.CRASHED_WORKER
    assert b"in flight in 3 crashes of a worker" in (dict(result.outgoing[0].headers)["gliclass-error"] or b"")
