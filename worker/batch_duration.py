"""How long a batch may take: long enough for throughput, short enough that a message can wait for one and ride one."""

import math
from dataclasses import dataclass

import numpy as np

RATE_SECONDS = 3.0
UPDATE_SECONDS = 0.1
MOVE_SECONDS = 0.5
MOVE_RATIO = 1.1
GRID_RATIO = 1.06
GOODPUT_TOLERANCE = 0.003
BUDGET_RATIO = 1.1
LATE_SHARE = 0.05
"""Of the device, for late messages while not all can be in time."""
LATE_GAIN = 3.0
IN_TIME_EXPONENT = 0.5


@dataclass(slots=True)
class _Arrivals:
    """What one tenant sent: decayed sums, and since the last update."""

    weight: float = 1.0
    messages: float = 0.0
    device_seconds: float = 0.0
    budget_seconds: float = 0.0
    new_messages: int = 0
    new_device_seconds: float = 0.0
    new_budget_seconds: float = 0.0


class BatchDuration:
    """Chooses the batch duration D from the arriving work, its budgets and the cost of a batch.

    A message waits up to D for the running batch and then rides D itself; a longer D spends a smaller share of the
    device on the fixed cost. Of the durations that are as good as the best the longest is taken: taking all that
    waits already keeps batches short at low load, and only a long D drains a backlog. What a tenant sends beyond its
    fair share does not count. Nothing measured of latency feeds back, so nothing oscillates.
    """

    def __init__(self) -> None:
        self.seconds = math.inf
        self.load = 0.0
        """Arriving device seconds per second, fixed cost not counted, over about the last three seconds."""
        self.seconds_per_message = 0.0
        """Device seconds of a recent message, without its share of the fixed cost."""
        self._tenants: dict[str, _Arrivals] = {}
        self._started: float | None = None
        self._updated = 0.0
        self._moved = -math.inf

    def arrived(
        self, tenant: str, weight: float, budget_seconds: float, slack_seconds: float, device_seconds: float
    ) -> float:
        """One message arrived with this much of its budget left. Returns the mean device seconds of its tenant's.
        A late arrival counts as half its budget, no less: a lag that grows must not shorten the batches that would
        clear it."""
        arrivals = self._tenants.get(tenant)
        if arrivals is None:
            arrivals = self._tenants[tenant] = _Arrivals()
        arrivals.weight = weight
        arrivals.new_messages += 1
        arrivals.new_device_seconds += device_seconds
        arrivals.new_budget_seconds += min(budget_seconds, max(slack_seconds, budget_seconds / 2))
        seconds = arrivals.device_seconds + arrivals.new_device_seconds
        return seconds / (arrivals.messages + arrivals.new_messages)

    def update(self, now: float, fixed_seconds: float, longest_seconds: float, residual_quantile: float) -> float:
        """The duration to cap batches at, at most 0.1 s old."""
        if self._started is None:
            self._started = self._updated = now - UPDATE_SECONDS
        if now - self._updated >= UPDATE_SECONDS:
            self._fold(now)
            if self._tenants:
                self._choose(now, fixed_seconds, longest_seconds, residual_quantile)
        return min(self.seconds, longest_seconds)

    def _fold(self, now: float) -> None:
        decay = math.exp(-(now - self._updated) / RATE_SECONDS)
        self._updated = now
        for name, arrivals in list(self._tenants.items()):
            arrivals.messages = arrivals.messages * decay + arrivals.new_messages
            arrivals.device_seconds = arrivals.device_seconds * decay + arrivals.new_device_seconds
            arrivals.budget_seconds = arrivals.budget_seconds * decay + arrivals.new_budget_seconds
            arrivals.new_messages, arrivals.new_device_seconds, arrivals.new_budget_seconds = 0, 0.0, 0.0
            if arrivals.messages < 0.01:
                del self._tenants[name]
        elapsed = now - self._started if self._started is not None else 0.0
        window_seconds = RATE_SECONDS * (1 - math.exp(-max(elapsed, UPDATE_SECONDS) / RATE_SECONDS))
        total = sum(arrivals.device_seconds for arrivals in self._tenants.values())
        messages = sum(arrivals.messages for arrivals in self._tenants.values())
        self.load = total / window_seconds
        self.seconds_per_message = total / messages if messages else 0.0

    def _choose(self, now: float, fixed_seconds: float, longest_seconds: float, residual_quantile: float) -> None:
        tenants = self._tenants.values()
        weights = np.array([arrivals.weight for arrivals in tenants])
        messages = np.array([arrivals.messages for arrivals in tenants])
        work = np.array([arrivals.device_seconds for arrivals in tenants])
        budgets = np.array([arrivals.budget_seconds for arrivals in tenants]) / messages
        loads = work * (self.load / max(work.sum(), 1e-12))
        durations = _grid(max(1.3 * fixed_seconds, 1e-3), longest_seconds)
        shares = _fair_shares(loads, weights, 1 - fixed_seconds / longest_seconds)
        counted = shares / np.maximum(loads, 1e-12)
        goodput = _goodput(
            durations, fixed_seconds, residual_quantile, budgets, loads * counted, weights * messages * counted
        )
        chosen = float(durations[goodput >= goodput.max() - GOODPUT_TOLERANCE][-1])
        far = not self.seconds / MOVE_RATIO <= chosen <= self.seconds * MOVE_RATIO
        if math.isinf(self.seconds) or (far and now - self._moved >= MOVE_SECONDS):
            self.seconds = chosen
            self._moved = now


def _grid(shortest: float, longest: float) -> np.ndarray:
    if longest <= shortest:
        return np.array([longest])
    steps = math.ceil(math.log(longest / shortest) / math.log(GRID_RATIO))
    return np.geomspace(shortest, longest, steps + 1)


def _fair_shares(loads: np.ndarray, weights: np.ndarray, capacity: float) -> np.ndarray:
    """What each tenant gets of the capacity: what it asks for, or the weighted share that the others leave over."""
    if loads.sum() <= capacity:
        return loads
    order = np.argsort(loads / weights)
    asked, share = loads[order], weights[order]
    before = np.concatenate(([0.0], np.cumsum(asked)[:-1]))
    levels = (capacity - before) / np.cumsum(share[::-1])[::-1]
    over = np.nonzero(levels * share <= asked)[0]
    level = levels[over[0]] if len(over) else math.inf
    return np.minimum(loads, np.maximum(level, 0.0) * weights)


def _goodput(
    durations: np.ndarray,
    fixed: float,
    residual_quantile: float,
    budgets: np.ndarray,
    loads: np.ndarray,
    weights: np.ndarray,
) -> np.ndarray:
    """How well each duration serves: the weighted mean over the messages of the square root of the share in time,
    so that a tight budget is not given up to make the total a little better."""
    in_time = np.clip(budgets[:, None] / durations - residual_quantile, 0.0, 1.0)
    capacity = 1 - fixed / durations
    late_lane = np.clip(LATE_GAIN * (loads.sum() - capacity), 0.0, LATE_SHARE * capacity)
    asked = loads @ in_time
    served = np.minimum(1.0, (capacity - late_lane) / np.maximum(asked, 1e-12))
    return (weights @ (in_time * served) ** IN_TIME_EXPONENT) / weights.sum()
