"""Do two processes claim one static group instance id? Pure, no I/O.

Kafka gives the id to whoever joined last and tells the other one that it is unknown; that one joins again, and so on:
neither is refused, both hold the same partitions, and commits of both fail at random. What tells is the member id: a
member keeps it through every rebalance, and gets another one when somebody has taken its place.
"""

from collections import deque

REPLACED_NEWCOMER, REPLACED_SETTLED = 3, 6
"""So often within the window; the process that was there first holds out longer, so that only the other one ends."""


class InstanceContest:
    """Counts how often the member id of a static member is replaced.

    Losing one's place by silence takes a whole session timeout, so three times within two of them is a contest.
    """

    def __init__(self, session_timeout_seconds: float) -> None:
        self._window_seconds = 2 * session_timeout_seconds
        self._member_id: str | None = None
        self._joined_at = 0.0
        self._settled = False
        self._replaced_at: deque[float] = deque()

    def joined(self, member_id: str, now: float) -> bool:
        """A rebalance ended with this member id; whether somebody else claims the instance id."""
        if self._member_id is None:
            self._joined_at = now
        elif member_id != self._member_id:
            if not self._replaced_at:
                self._settled = now - self._joined_at > self._window_seconds
            self._replaced_at.append(now)
        self._member_id = member_id
        while self._replaced_at and now - self._replaced_at[0] > self._window_seconds:
            self._replaced_at.popleft()
        return len(self._replaced_at) >= (REPLACED_SETTLED if self._settled else REPLACED_NEWCOMER)
