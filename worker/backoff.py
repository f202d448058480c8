"""Waits between tries: each twice as long as the one before, up to a longest."""

import asyncio


class Backoff:
    """The waits of one retried step. `first` tells whether its failure is news: say it then, and once."""

    def __init__(self, first_seconds: float, longest_seconds: float) -> None:
        self._first_seconds = first_seconds
        self._longest_seconds = longest_seconds
        self.reset()

    @property
    def first(self) -> bool:
        """Whether nothing has been waited for since the start or the last `reset`."""
        return self._first

    async def wait(self) -> None:
        """Wait before the next try."""
        seconds = self._next_seconds
        self._first, self._next_seconds = False, min(2 * seconds, self._longest_seconds)
        await asyncio.sleep(seconds)

    def reset(self) -> None:
        """The step succeeded: its next failure is a new one."""
        self._first, self._next_seconds = True, self._first_seconds
