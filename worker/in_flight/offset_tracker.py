"""Which offset of one partition may be committed: pure, no I/O."""

from collections import deque


class OffsetTracker:
    """The watermark of one partition assignment: the next offset of the lowest incomplete *delivered* record.

    Offsets are sparse (compaction, transaction markers), so nothing here assumes that the record after `n` is `n + 1`.
    """

    def __init__(self, next_offset: int) -> None:
        self._position = next_offset
        self._committed = next_offset
        self._delivered: deque[int] = deque()
        self._complete: set[int] = set()

    @property
    def position(self) -> int:
        """The next offset that may be delivered; what lies below has been seen."""
        return self._position

    @property
    def in_flight(self) -> int:
        """How many delivered records are not complete."""
        return len(self._delivered) - len(self._complete)

    @property
    def watermark(self) -> int:
        """The offset that may be committed now: every delivered record below it is complete."""
        return self._delivered[0] if self._delivered else self._position

    @property
    def uncommitted(self) -> int | None:
        """The watermark if it is ahead of what was committed, else None."""
        return self.watermark if self.watermark > self._committed else None

    def deliver(self, offset: int) -> None:
        """Take a record into flight.

        Raises:
            ValueError: the offset lies below the position: it was delivered before.
        """
        if offset < self._position:
            raise ValueError(f"offset {offset} was delivered already: the position is {self._position}")
        self._delivered.append(offset)
        self._position = offset + 1

    def complete(self, offset: int) -> None:
        """Mark a delivered record as done (its output or dead letter is acknowledged).

        Raises:
            ValueError: the offset is not in flight.
        """
        if offset in self._complete or not self._delivered or offset < self._delivered[0] or offset >= self._position:
            raise ValueError(f"offset {offset} is not in flight")
        self._complete.add(offset)
        while self._delivered and self._delivered[0] in self._complete:
            self._complete.remove(self._delivered.popleft())

    def skip_to(self, position: int) -> None:
        """Move the position over offsets that hold no record (markers, compacted away); never backwards."""
        self._position = max(self._position, position)

    def committed(self, offset: int) -> None:
        """Remember what the group coordinator has acknowledged.

        Raises:
            ValueError: the offset passes the watermark or goes backwards.
        """
        if not self._committed <= offset <= self.watermark:
            raise ValueError(f"committed offset {offset} is outside {self._committed}..{self.watermark}")
        self._committed = offset
