"""When too large a share of records becomes dead letters, something is wrong with more than the records: pure."""

from collections import deque
from typing import NamedTuple

BUCKETS_PER_WINDOW = 60


class Bucket(NamedTuple):
    """What was counted in one step of the window."""

    number: int
    results: int
    dead_letters: int


class FloodLimit:
    """Counts results over a sliding window, in steps of a sixtieth of it. Times are monotonic seconds."""

    def __init__(self, share: float, window_seconds: float, least_dead_letters: int) -> None:
        """Exceeded by more than `share` (0..1) and no fewer than `least_dead_letters` dead letters in the window."""
        self._share = share
        self._window_seconds = window_seconds
        self._least_dead_letters = least_dead_letters
        self._buckets: deque[Bucket] = deque()
        self._results = 0
        self._dead_letters = 0

    @property
    def results(self) -> int:
        """Results in the window."""
        return self._results

    @property
    def dead_letters(self) -> int:
        """Dead letters among them."""
        return self._dead_letters

    def count(self, results: int, dead_letters: int, now: float) -> bool:
        """Count results, `dead_letters` of them dead; whether the limit is exceeded."""
        number = int(now * BUCKETS_PER_WINDOW / self._window_seconds)
        if self._buckets and self._buckets[-1].number == number:
            earlier = self._buckets.pop()
            self._buckets.append(Bucket(number, earlier.results + results, earlier.dead_letters + dead_letters))
        else:
            self._buckets.append(Bucket(number, results, dead_letters))
        self._results += results
        self._dead_letters += dead_letters
        while self._buckets[0].number <= number - BUCKETS_PER_WINDOW:
            old = self._buckets.popleft()
            self._results -= old.results
            self._dead_letters -= old.dead_letters
        return self._dead_letters >= self._least_dead_letters and self._dead_letters > self._share * self._results
