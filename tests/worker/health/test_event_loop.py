"""The guard ends its process, so it watches the loop of another one."""

import asyncio
import subprocess
import sys

from worker.health.event_loop import measure_event_loop_lag
from worker.telemetry.metrics import Metrics

PROGRAM = """
import asyncio, sys, time
from functools import partial
from worker.health.event_loop import LoopGuard
from worker.health.stopping import exit_hard

async def main():
    guard = asyncio.create_task(LoopGuard(1, partial(exit_hard, dump_stacks=True)).run())
    await asyncio.sleep(2.5)
    if sys.argv[1] == "stuck":
        blocks_the_loop()
    guard.cancel()

def blocks_the_loop():
    time.sleep(60)

asyncio.run(main())
"""


def ended(how: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, timeout=50)


def test_a_loop_that_no_longer_turns_ends_the_process_and_shows_where_it_stood():
    process = ended("stuck")
    assert process.returncode == 70
    assert "the event loop has not turned for 1 s" in process.stdout
    assert "blocks_the_loop" in process.stderr


def test_a_loop_that_turns_is_left_alone_and_the_guard_ends_with_it():
    process = ended("turning")
    assert (process.returncode, process.stdout, process.stderr) == (0, "", "")


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
