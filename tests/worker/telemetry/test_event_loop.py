import asyncio

from worker.telemetry.event_loop import measure_event_loop_lag
from worker.telemetry.metrics import Metrics


async def test_each_turn_of_the_loop_is_measured_until_cancelled() -> None:
    metrics = Metrics()
    task = asyncio.create_task(measure_event_loop_lag(metrics, interval_seconds=0.001))

    def measured() -> float:
        return metrics.registry.get_sample_value("gliclass_event_loop_lag_seconds_count") or 0

    while measured() < 3:
        await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
