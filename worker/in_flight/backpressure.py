"""When to stop fetching: pure, no I/O."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Load:
    """What the worker holds: predicted device seconds waiting, records in flight and their bytes."""

    queued_seconds: float
    messages: int
    bytes: int


class Backpressure:
    """Holds consumption back above the high water and lets it go below the low water.

    The unit that matters is seconds of queued work; the limits on messages and bytes bound memory. The distance between
    the two waters is what keeps it from flapping: each pause throws away what the Kafka client has prefetched.
    """

    def __init__(self, high: Load, low: Load) -> None:
        self._high = high
        self._low = low
        self._idle = Load(low.queued_seconds / 2, low.messages // 2, low.bytes // 2)
        self._holding = False
        self._crowded = False

    @property
    def crowded(self) -> bool:
        """Whether partitions compete for room: since consumption was held back, half the low water was not reached."""
        return self._crowded

    def holds(self, load: Load) -> bool:
        """Whether to fetch nothing now."""
        if self._holding:
            self._holding = not _below(load, self._low)
        else:
            self._holding = not _below(load, self._high)
        self._crowded = self._holding or (self._crowded and not _below(load, self._idle))
        return self._holding


def _below(load: Load, limit: Load) -> bool:
    return load.queued_seconds < limit.queued_seconds and load.messages < limit.messages and load.bytes < limit.bytes
