"""Weighted fair share of device seconds between tenants that wait at the same time."""

import heapq

ALLOWANCE = 0.5
"""Batch durations that a tenant may be ahead of the one that was given least before it is penalised."""

MOST_PENALTY = 3.5
"""Batch durations that a penalty amounts to at most. Enough for others to come in time before a flood with a tight
budget; no more, or messages that can wait would go before those that cannot."""


class FairShare:
    """A virtual clock per waiting tenant: the device seconds it was given, divided by its weight.

    A tenant that starts to wait is lifted to the one that was given least, so that being idle saves nothing up.
    When nobody waits all clocks restart: what was taken while the device had room is not held against anyone.
    """

    def __init__(self) -> None:
        self._clocks: dict[str, float] = {}
        self._waiting: set[str] = set()
        self._order: list[tuple[float, str]] = []
        self._limit = self._most = 0.0

    def enter(self, tenant: str) -> None:
        """The tenant has messages again that can be in time."""
        clock = max(self._clocks.get(tenant, 0.0), self.least)
        self._clocks[tenant] = clock
        self._waiting.add(tenant)
        heapq.heappush(self._order, (clock, tenant))

    def leave(self, tenant: str) -> None:
        """The tenant has none of them left."""
        self._waiting.discard(tenant)
        if not self._waiting:
            self.clear()
        elif self._clocks.get(tenant, 0.0) <= self.least:
            self._clocks.pop(tenant, None)

    def clear(self) -> None:
        """Nobody waits."""
        self._clocks.clear()
        self._waiting.clear()
        self._order.clear()

    def charge(self, tenant: str, virtual_seconds: float) -> None:
        """The waiting tenant was given device seconds, already divided by its weight."""
        if virtual_seconds > 0:
            clock = self._clocks[tenant] + virtual_seconds
            self._clocks[tenant] = clock
            heapq.heappush(self._order, (clock, tenant))

    def begin_decision(self, duration_seconds: float) -> None:
        """Measure penalties from what the waiting tenants were given until now, in units of this batch duration."""
        self._limit = self.least + ALLOWANCE * duration_seconds
        self._most = MOST_PENALTY * duration_seconds

    def penalty(self, tenant: str, more: float = 0.0) -> float:
        """Seconds later that the waiting tenant's messages count as due, if it were given this much more."""
        return min(self._most, max(0.0, self._clocks[tenant] + more - self._limit))

    def lag(self, tenant: str) -> float:
        """Virtual seconds that the tenant is ahead of the one given least; 0 when it is the one or does not wait."""
        return max(0.0, self._clocks.get(tenant, 0.0) - self.least)

    @property
    def least(self) -> float:
        """The clock of the waiting tenant that was given least."""
        while self._order:
            clock, tenant = self._order[0]
            if tenant in self._waiting and self._clocks.get(tenant) == clock:
                return clock
            heapq.heappop(self._order)
        return 0.0
