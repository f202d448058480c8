"""When too large a share of records becomes dead letters, something is wrong with more than the records: pure.

A share is of what was read: dead letters conclude at once and good records wait for the device, so that shares of what
is done would be high whenever there is a backlog. One tenant's producer that breaks must not end the others' service.
"""

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

BUCKETS_PER_WINDOW = 60
MOST_TENANTS = 10_000
"""Tenants told apart in a window; producers write their names. Records of others count as of no known tenant."""

Counts = Mapping[str | None, int]
"""By tenant; None for records that do not say whose they are."""


@dataclass(slots=True)
class _Bucket:
    """What was counted in one step of the window."""

    number: int
    read: Counter[str | None] = field(default_factory=Counter)
    dead: Counter[str | None] = field(default_factory=Counter)


class Flood(NamedTuple):
    """What a limit makes of its window.

    Attributes:
        exceeded: the worker has to stop.
        dead, read: what was looked at for that, tenants left out that are alone to blame.
        tenants: those whose own share exceeds the limit, sorted.
    """

    exceeded: bool
    dead: int
    read: int
    tenants: tuple[str, ...]


class FloodLimit:
    """Counts records over a sliding window, in steps of a sixtieth of it. Times are monotonic seconds."""

    def __init__(self, share: float, window_seconds: float, least_dead_letters: int) -> None:
        """Exceeded by more than `share` (0..1) and no fewer than `least_dead_letters` dead letters in the window."""
        self._share = share
        self._window_seconds = window_seconds
        self._least_dead_letters = least_dead_letters
        self._buckets: deque[_Bucket] = deque()
        self._read: Counter[str | None] = Counter()
        self._dead: Counter[str | None] = Counter()

    def read(self, records: Counts, now: float) -> None:
        """Count records that were read, whatever becomes of them."""
        bucket = self._bucket(now)
        for tenant, count in records.items():
            known = tenant if tenant in self._read or len(self._read) < MOST_TENANTS else None
            bucket.read[known] += count
            self._read[known] += count

    def die(self, records: Counts, now: float) -> None:
        """Count records that were read and become dead letters."""
        bucket = self._bucket(now)
        for tenant, count in records.items():
            known = tenant if tenant in self._read else None
            bucket.dead[known] += count
            self._dead[known] += count

    def flood(self, now: float) -> Flood:
        """Whether the worker has to stop, and whose records are a flood.

        Left out are tenants that are a flood of their own, and the worst one on its way there. Where nobody else was
        read, or who sent the records is not known, all of them count.
        """
        self._bucket(now)
        own = [tenant for tenant, dead in self._dead.items() if tenant is not None and self._is_above(tenant, dead)]
        floods = tuple(sorted(tenant for tenant in own if self._dead[tenant] >= self._least_dead_letters))
        blamed = {*floods, *([max(own, key=lambda tenant: self._dead[tenant])] if own else [])}
        if all(tenant is None or tenant in blamed for tenant in self._read):
            blamed = set()
        read = self._read.total() - sum(self._read[tenant] for tenant in blamed)
        dead = self._dead.total() - sum(self._dead[tenant] for tenant in blamed)
        exceeded = dead >= self._least_dead_letters and dead > self._share * read
        return Flood(exceeded, dead, read, floods)

    def _is_above(self, tenant: str, dead: int) -> bool:
        return dead > self._share * self._read[tenant]

    def _bucket(self, now: float) -> _Bucket:
        """The one of this moment; what lies before the window is forgotten."""
        number = int(now * BUCKETS_PER_WINDOW / self._window_seconds)
        while self._buckets and self._buckets[0].number <= number - BUCKETS_PER_WINDOW:
            old = self._buckets.popleft()
            _subtract(self._read, old.read)
            _subtract(self._dead, old.dead)
        if not self._buckets or self._buckets[-1].number != number:
            self._buckets.append(_Bucket(number))
        return self._buckets[-1]


def _subtract(total: Counter[str | None], old: Counter[str | None]) -> None:
    for tenant, count in old.items():
        total[tenant] -= count
        if not total[tenant]:
            del total[tenant]
