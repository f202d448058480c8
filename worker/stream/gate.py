"""What becomes of records that the intake lets in: messages to be scored, dead letters that are results at once."""

from collections.abc import Sequence

from worker.content.admission import Admission
from worker.in_flight.message import Message, Result
from worker.in_flight.partition import Partition
from worker.in_flight.record import Record
from worker.in_flight.suspects import Trial
from worker.stream.outlet import Outlet
from worker.stream.scoring import Scoring


class Gate:
    """The intake's downstream: admission, then scoring, or straight to the outlet."""

    def __init__(self, admission: Admission, scoring: Scoring, outlet: Outlet) -> None:
        self._admission = admission
        self._scoring = scoring
        self._outlet = outlet

    async def admit(self, partition: Partition[Result], records: Sequence[Record]) -> None:
        """Decode and tokenise; what can be scored is, and the rest is concluded as it is."""
        messages: list[Message] = []
        outcomes = await self._admission.admit(partition, records)
        self._outlet.expect(outcomes)
        for outcome in outcomes:
            if isinstance(outcome, Result):
                partition.conclude(outcome)
            else:
                messages.append(outcome)
        self._scoring.add(messages)

    def condemn(self, partition: Partition[Result], record: Record, trial: Trial) -> None:
        """End a record that ended the process again and again as a dead letter."""
        detail = f"in flight in {trial.crashes} crashes of a worker, in the last ones alone"
        partition.conclude(self._admission.condemn(record, detail))

    async def write_mark(self, partition: Partition[Result]) -> bool:
        """Commit the partition's watermark with its mark; says whether that succeeded."""
        return await self._outlet.write_mark(partition)
