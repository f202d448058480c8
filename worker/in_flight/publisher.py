"""The port through which results leave: what each delivery guarantee has to offer the stream."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from worker.in_flight.message import Result
from worker.in_flight.partition import Partition

CommittedOffset = Callable[[], Awaitable[int | None]]
"""Asks the group coordinator for the committed offset of one partition."""


class PublishError(Exception):
    """Some records of a round were not acknowledged; the others are marked `acknowledged`.

    Attributes:
        away: nobody answered, or what was answered ends by itself: this is waited for without end.
        refuses_record: the brokers refuse one of the records for what it is, and with it all that were sent along.
    """

    def __init__(self, message: str, *, away: bool = True, refuses_record: bool = False) -> None:
        super().__init__(message)
        self.away = away
        self.refuses_record = refuses_record


class Publisher(Protocol):
    """Brings results to their topics. What it promises of each is its own."""

    @property
    def commits_offsets(self) -> bool:
        """Whether publishing also commits the offset; nobody else may then. Results must come in offset order."""
        ...

    async def open(self, topic: str, number: int, committed: CommittedOffset) -> None:
        """A partition is assigned, and its committed offset not yet read. Raises what the client raises."""
        ...

    async def publish(self, partition: Partition, results: Sequence[Result]) -> None:
        """Publish what is not yet acknowledged. Raises PublishError: call again with the same results."""
        ...

    async def publish_alone(self, partition: Partition, result: Result) -> None:
        """As `publish`, with no record of any other result in the same request."""
        ...

    async def write_mark(self, partition: Partition) -> None:
        """Write the partition's mark beside its offset, if offsets are committed here. Raises PublishError."""
        ...

    def close(self, partition: Partition) -> None:
        """A partition was given up; nothing of it is published any more."""
        ...

    async def stop(self, timeout_seconds: float) -> None:
        """Stop within the time."""
        ...
