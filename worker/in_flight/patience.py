"""How long a refusal is borne: pure.

People may be changing what is refused, so it is tried again for a while; without an end it would be a standstill.
"""


class Patience:
    """Adds up how long a thing has been refused since it last succeeded. Times are monotonic seconds.

    Silence neither counts nor starts the count anew: a broker that restarts refuses the same thing again.
    """

    def __init__(self, limit_seconds: float) -> None:
        self._limit_seconds = limit_seconds
        self._refused_at: float | None = None
        self._seconds = 0.0

    def refused(self, now: float) -> bool:
        """It was refused once more; says whether that is enough."""
        if self._refused_at is not None:
            self._seconds += now - self._refused_at
        self._refused_at = now
        return self._seconds >= self._limit_seconds

    def unanswered(self) -> None:
        """Nobody refused it, and nobody took it."""
        self._refused_at = None

    def succeeded(self) -> None:
        """It was taken."""
        self._refused_at, self._seconds = None, 0.0
