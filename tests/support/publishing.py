"""A publisher whose topics are a list."""

import asyncio
from collections.abc import Sequence

from worker.in_flight.message import Result
from worker.in_flight.partition import Partition
from worker.in_flight.publisher import CommittedOffset, PublishError


class ListPublisher:
    """Acknowledges everything, unless it is told to refuse; remembers each step in order."""

    def __init__(self, *, commits_offsets: bool = False) -> None:
        self.commits_offsets = commits_offsets
        self.steps: list[str] = []
        self.published: list[bytes | None] = []
        self.refuses = False
        self.refused_values: set[bytes | None] = set()
        self.open_gate = asyncio.Event()
        self.open_gate.set()

    async def open(self, topic: str, number: int, committed: CommittedOffset) -> None:
        self.steps.append(f"open {topic}-{number}")

    async def publish(self, partition: Partition, results: Sequence[Result]) -> None:
        await self.open_gate.wait()
        if self.refuses:
            self.steps.append("refused")
            raise PublishError("out: refused") from OSError("refused")
        if {outgoing.value for result in results for outgoing in result.outgoing} & self.refused_values:
            self.steps.append("refused record")
            raise PublishError("out: InvalidRecordError (broker error 87)", away=False, refuses_record=True)
        self.steps.append(f"publish {[result.offset for result in results]}")
        for result in results:
            for outgoing in result.outgoing:
                outgoing.acknowledged = True
                self.published.append(outgoing.value)

    async def publish_alone(self, partition: Partition, result: Result) -> None:
        await self.publish(partition, [result])

    async def write_mark(self, partition: Partition) -> None:
        if self.refuses:
            raise PublishError("offset metadata: refused") from OSError("refused")
        mark = partition.mark()
        self.steps.append(f"mark {mark.encode()!r}")
        partition.suspects.written(mark, partition.tracker.position)

    def close(self, partition: Partition) -> None:
        self.steps.append(f"close {partition}")

    async def stop(self, timeout_seconds: float) -> None:
        self.steps.append("stop")
