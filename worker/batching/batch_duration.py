"""How long a batch may take: long enough for throughput, short enough that a message can wait for one and ride one."""

import math

import numpy as np

RATE_SECONDS = 5.0
UPDATE_SECONDS = 0.1
MOVE_SECONDS = 0.5
MOVE_RATIO = 1.1
GRID_RATIO = 1.06
GOODPUT_TOLERANCE = 0.003
"""The longest duration within this of the best is taken."""

BUDGET_RATIO = 1.05
SHORTEST_SECONDS = 1e-3
QUIET_MESSAGES = 0.5
LATE_SHARE = 0.05
"""Of the device, for late messages while not all can be in time."""

LATE_GAIN = 3.0
"""Device seconds the late lane takes for each second that the device falls short: a shortfall makes more late."""

IN_TIME_EXPONENT = 0.5
"""Below 1, a share in time counts the more the smaller it is: a tight budget is not given up for a better total."""


class BatchDuration:
    """Chooses the batch duration D from the arriving work, its budgets and the cost of a batch.

    A message waits up to D for the running batch and then rides D itself; a longer D spends a smaller share of the
    device on the fixed cost. Of the durations that are as good as the best the longest is taken: taking all that
    waits already keeps batches short at low load, and only a long D drains a backlog. A tenant counts by the square
    root of its messages, those beyond its fair share left out. Nothing measured of latency feeds back, so nothing
    oscillates.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        """The duration chosen; 0 before anything arrived."""
        self.load = 0.0
        """Arriving device seconds per second, fixed cost not counted, over about the last five seconds."""
        self._places: dict[str, int] = {}
        self._weights: list[float] = []
        self._new_messages: list[int] = []
        self._new_seconds: list[float] = []
        self._new_budgets: list[float] = []
        self._mean_seconds: list[float] = []
        self._decayed = np.zeros((3, 0))
        self._started: float | None = None
        self._updated = -math.inf
        self._moved = -math.inf

    def arrived(
        self, tenant: str, weight: float, budget_seconds: float, slack_seconds: float, device_seconds: float
    ) -> float:
        """One message arrived with this much of its budget left. Returns the mean device seconds of its tenant's.
        A late arrival counts as half its budget, no less: a lag that grows must not shorten the batches that would
        clear it."""
        place = self._places.get(tenant)
        if place is None:
            place = self._places[tenant] = len(self._weights)
            self._weights.append(weight)
            self._new_messages.append(0)
            self._new_seconds.append(0.0)
            self._new_budgets.append(0.0)
            self._mean_seconds.append(device_seconds)
        self._weights[place] = weight
        self._new_messages[place] += 1
        self._new_seconds[place] += device_seconds
        self._new_budgets[place] += min(budget_seconds, max(slack_seconds, budget_seconds / 2))
        return self._mean_seconds[place]

    def update(self, now: float, fixed_seconds: float, longest_seconds: float, residual_quantile: float) -> float:
        """The duration to cap batches at, at most 0.1 s old."""
        if self._started is None:
            self._started = now - UPDATE_SECONDS
        if now - self._updated >= UPDATE_SECONDS:
            self._fold(now)
            if self._places:
                self._choose(now, fixed_seconds, longest_seconds, residual_quantile)
        return min(self.seconds or math.inf, longest_seconds)

    def _fold(self, now: float) -> None:
        """Bring the decayed sums of messages, device seconds and budgets up to now; forget tenants that went quiet."""
        decay = math.exp(-(now - self._updated) / RATE_SECONDS)
        self._updated = now
        new = np.array([self._new_messages, self._new_seconds, self._new_budgets], dtype=float)
        new[:, : self._decayed.shape[1]] += self._decayed * decay
        kept = new[0] > QUIET_MESSAGES
        if not kept.all():
            names = [name for name, keep in zip(self._places, kept, strict=True) if keep]
            self._weights = [weight for weight, keep in zip(self._weights, kept, strict=True) if keep]
            self._places = {name: place for place, name in enumerate(names)}
            new = new[:, kept]
        self._decayed = new
        count = new.shape[1]
        self._new_messages, self._new_seconds, self._new_budgets = [0] * count, [0.0] * count, [0.0] * count
        self._mean_seconds = (new[1] / new[0]).tolist()
        elapsed = now - self._started if self._started is not None else 0.0
        window_seconds = RATE_SECONDS * (1 - math.exp(-max(elapsed, UPDATE_SECONDS) / RATE_SECONDS))
        self.load = float(new[1].sum()) / window_seconds

    def _choose(self, now: float, fixed_seconds: float, longest_seconds: float, residual_quantile: float) -> None:
        messages, device_seconds, budgets = self._decayed
        weights = np.array(self._weights)
        longest_seconds = max(longest_seconds, 1.3 * fixed_seconds)
        loads = np.maximum(device_seconds * (self.load / max(device_seconds.sum(), 1e-12)), 1e-12)
        counted = _fair_shares(loads, weights, 1 - fixed_seconds / longest_seconds) / loads
        durations = _grid(max(1.3 * fixed_seconds, SHORTEST_SECONDS), longest_seconds)
        importance = weights * np.sqrt(messages * counted)
        by_budget = _grouped(budgets / messages, loads * counted, importance)
        goodput = _goodput(durations, fixed_seconds, residual_quantile, *by_budget)
        chosen = float(durations[goodput >= goodput.max() - GOODPUT_TOLERANCE][-1])
        far = not self.seconds / MOVE_RATIO <= chosen <= self.seconds * MOVE_RATIO
        if not self.seconds or (far and now - self._moved >= MOVE_SECONDS):
            self.seconds = chosen
            self._moved = now


def _grouped(budgets: np.ndarray, loads: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tenants with about the same budget as one: the shortest budget of each group, and its sums."""
    groups = np.floor(np.log(np.maximum(budgets, SHORTEST_SECONDS)) / math.log(BUDGET_RATIO))
    starts, place = np.unique(groups, return_inverse=True)
    return BUDGET_RATIO**starts, np.bincount(place, loads), np.bincount(place, weights)


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
    """How well each duration serves, between 0 and 1. A message is in time if its wait (0 to one duration, evenly) and
    its ride fit into its budget, and if the device has the capacity for those that are."""
    in_time = np.clip(budgets[:, None] / durations - residual_quantile, 0.0, 1.0)
    capacity = 1 - fixed / durations
    late_lane = np.clip(LATE_GAIN * (loads.sum() - capacity), 0.0, LATE_SHARE * capacity)
    asked = loads @ in_time
    served = np.minimum(1.0, (capacity - late_lane) / np.maximum(asked, 1e-12))
    return (weights @ (in_time * served) ** IN_TIME_EXPONENT) / weights.sum()
