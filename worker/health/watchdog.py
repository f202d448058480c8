"""Has the stream come to a standstill that no waiting will end? Pure, no I/O."""

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Standing:
    """How one partition stands when it is looked at.

    `name` is of this assignment alone. `done` counts records that are done, `position` is the next offset to deliver.
    `excused`: what it waits for lies outside this process and is said elsewhere, or fetching is held back.
    """

    name: str
    in_flight: int
    lag: int
    done: int
    position: int
    excused: bool


@dataclass(slots=True)
class _Waited:
    mark: tuple[str, int]
    seconds: float


class Watchdog:
    """Names partitions that have work and make no progress for `stuck_seconds`.

    Progress is a record done while some are in flight, and a record delivered while none is but the partition has lag.
    Time counts only between two looks, and never more than `longest_look_seconds` of it: a process that was frozen, or
    a machine that slept, is not stuck.
    """

    def __init__(self, stuck_seconds: float, longest_look_seconds: float) -> None:
        self._stuck_seconds = stuck_seconds
        self._longest_look_seconds = longest_look_seconds
        self._looked_at: float | None = None
        self._waited: dict[str, _Waited] = {}

    def look(self, standings: Collection[Standing], now: float) -> list[str]:
        """What is stuck, in words; empty while there is hope. A partition that is not given is forgotten."""
        passed = 0.0 if self._looked_at is None else min(now - self._looked_at, self._longest_look_seconds)
        self._looked_at = now
        waited: dict[str, _Waited] = {}
        stuck: list[str] = []
        for each in standings:
            if each.excused or not (each.in_flight or each.lag > 0):
                continue
            mark = ("done", each.done) if each.in_flight else ("position", each.position)
            before = self._waited.get(each.name)
            seconds = before.seconds + passed if before is not None and before.mark == mark else 0.0
            waited[each.name] = _Waited(mark, seconds)
            if seconds >= self._stuck_seconds:
                stuck.append(
                    f"{each.name}: {each.in_flight} records in flight, lag {each.lag}, no progress for {seconds:.0f} s"
                )
        self._waited = waited
        return stuck
