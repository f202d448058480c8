"""Is the worker alive and may it be counted on: heartbeats of its loops and conditions it must meet. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(slots=True)
class _Loop:
    last_beat: float
    max_silence_seconds: float


class Health:
    """Heartbeats and conditions. Every `now` is monotonic seconds; methods are cheap enough for every loop turn.

    Alive: each watched loop has beaten within its limit. Ready: alive, and every condition given here is met; a
    condition that was never set counts as not met.
    """

    def __init__(self, conditions: Iterable[str]) -> None:
        self._loops: dict[str, _Loop] = {}
        self._unmet: dict[str, str] = dict.fromkeys(conditions, "not yet")
        self._conditions = frozenset(self._unmet)

    def watch(self, loop: str, max_silence_seconds: float, now: float) -> None:
        """Expect `loop` to beat from now on, at least every `max_silence_seconds`."""
        self._loops[loop] = _Loop(now, max_silence_seconds)

    def beat(self, loop: str, now: float) -> None:
        """Note that `loop` has made a turn. Raises KeyError for a loop that is not watched."""
        self._loops[loop].last_beat = now

    def meet(self, condition: str) -> None:
        """`condition` is met. Raises KeyError for a condition that was not announced."""
        self._known(condition)
        self._unmet.pop(condition, None)

    def fail(self, condition: str, reason: str) -> None:
        """`condition` is not met, because of `reason`. Raises KeyError for a condition that was not announced."""
        self._known(condition)
        self._unmet[condition] = reason

    def not_live(self, now: float) -> list[str]:
        """Why the process should be restarted; empty while it is alive."""
        return [
            f"{name}: no progress for {now - loop.last_beat:.1f} s (limit {loop.max_silence_seconds:g} s)"
            for name, loop in self._loops.items()
            if now - loop.last_beat > loop.max_silence_seconds
        ]

    def not_ready(self, now: float) -> list[str]:
        """Why the worker should not be counted on now; empty while it is ready."""
        return self.not_live(now) + [f"{condition}: {reason}" for condition, reason in self._unmet.items()]

    def _known(self, condition: str) -> None:
        if condition not in self._conditions:
            raise KeyError(f"health condition {condition!r} was not announced")
