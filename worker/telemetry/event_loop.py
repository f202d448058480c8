"""How late the event loop wakes its sleepers: the first thing that goes wrong when something blocks it."""

import asyncio
import time

from worker.telemetry.metrics import Metrics

INTERVAL_SECONDS = 0.25


async def measure_event_loop_lag(metrics: Metrics, interval_seconds: float = INTERVAL_SECONDS) -> None:
    """Observe the lag for ever; run it as a task and cancel it at the end."""
    while True:
        asked_for = time.monotonic() + interval_seconds
        await asyncio.sleep(interval_seconds)
        metrics.event_loop_lag_seconds.observe(max(0.0, time.monotonic() - asked_for))
