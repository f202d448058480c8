"""Weighted fair share of device seconds between tenants that wait at the same time."""

import heapq


class FairShare:
    """A virtual clock per waiting tenant: the device seconds it was given, divided by its weight.

    A tenant that starts to wait is lifted to the one that was given least, so that being idle saves nothing up.
    When nobody waits all clocks restart: what was taken while the device had room is not held against anyone.
    """

    def __init__(self) -> None:
        self._clocks: dict[str, float] = {}
        self._waiting: set[str] = set()
        self._order: list[tuple[float, str]] = []

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

    def clock(self, tenant: str) -> float:
        """Device seconds given to the waiting tenant, divided by its weight."""
        return self._clocks[tenant]

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
