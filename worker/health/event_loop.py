"""The event loop watched: how late it wakes its sleepers, and what ends the process when it no longer turns."""

import asyncio
import threading
import time
from collections.abc import Callable

from worker.telemetry.metrics import Metrics

LAG_INTERVAL_SECONDS = 0.25
LOOKS = 20
"""How often the guard looks within the limit."""


class LoopGuard:
    """A thread that watches the beat of the event loop.

    It counts its own looks, not the time: after the process was frozen (SIGSTOP) the thread may wake before the loop.
    """

    def __init__(self, stuck_seconds: float, stuck: Callable[[str], None]) -> None:
        """`stuck` is called from the thread, with the reason, once."""
        self._stuck_seconds = stuck_seconds
        self._stuck = stuck
        self._beats = 0
        self._ended = threading.Event()

    async def run(self) -> None:
        """Beat for ever; the thread ends with this call."""
        thread = threading.Thread(target=self._watch, name="loop guard", daemon=True)
        thread.start()
        try:
            while True:
                self._beats += 1
                await asyncio.sleep(self._stuck_seconds / LOOKS / 2)
        finally:
            self._ended.set()

    def _watch(self) -> None:
        seen, silent_looks = -1, 0
        while not self._ended.wait(self._stuck_seconds / LOOKS):
            silent_looks = silent_looks + 1 if self._beats == seen else 0
            seen = self._beats
            if silent_looks >= LOOKS:
                self._stuck(f"the event loop has not turned for {self._stuck_seconds:g} s")
                return


async def measure_event_loop_lag(metrics: Metrics, interval_seconds: float = LAG_INTERVAL_SECONDS) -> None:
    """Observe the lag for ever; run it as a task and cancel it at the end."""
    while True:
        asked_for = time.monotonic() + interval_seconds
        await asyncio.sleep(interval_seconds)
        metrics.event_loop_lag_seconds.observe(max(0.0, time.monotonic() - asked_for))
