"""Hours of work, with members that come and go, leave memory and tasks as they were."""

import asyncio
import random
import statistics
import time
from typing import cast

import pytest
from support.faults.cases import MODES
from support.faults.worker import TASKS_METRIC
from support.worker_process import WorkerProcess

pytestmark = [pytest.mark.faults, pytest.mark.timeout(3 * 3600)]

SAMPLE_SECONDS = 2.0
MEBIBYTE = 1024 * 1024
GROWTH_MEBIBYTES = 16
"""Over the second half of the soak, of medians: the allocator's own breathing is about a third of it."""


@pytest.mark.parametrize("mode", MODES)
async def test_f16_memory_and_tasks_stay_flat(
    open_run, add_to_report, rng: random.Random, mode: str, request: pytest.FixtureRequest
):
    """The soak's minutes are shared by the two modes; --soak-minutes 120 gives each an hour."""
    minutes = cast(float, request.config.getoption("--soak-minutes"))
    seconds = minutes * 60 / len(MODES)
    async with open_run(mode) as run:
        await run.start(workers=1)
        watched = run.workers[0]
        until, events = time.monotonic() + seconds, 0
        sampling = asyncio.create_task(sample(watched, seconds))
        while time.monotonic() < until:
            await asyncio.sleep(rng.uniform(8, 15))
            guest = run.worker()
            await asyncio.sleep(rng.uniform(8, 15))
            guest.kill() if rng.random() < 0.5 else await asyncio.to_thread(guest.terminate)
            run.workers.remove(guest)
            run.disturbances += 1
            events += 1
        samples = await sampling
        row = await run.finish("F16", f"soak of {seconds / 60:g} min with guests that come and go")
        memory = quarters([each[0] for each in samples])
        # Every partition has tasks of its own, and guests take partitions: the most is what the worker has alone.
        half = len(samples) // 2
        tasks = [max(each[1] for each in part) for part in (samples[:half], samples[half:])]
        print(f"resident MiB, by quarters: {memory}; most tasks: {tasks}; {events} guests; {row.inputs} inputs")
        assert memory[-1] - memory[1] < GROWTH_MEBIBYTES
        assert tasks[1] <= tasks[0] + 5
        add_to_report(row)


async def sample(worker: WorkerProcess, seconds: float) -> list[tuple[float, float]]:
    """Resident MiB and asyncio tasks, every few seconds."""
    samples: list[tuple[float, float]] = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        await asyncio.sleep(SAMPLE_SECONDS)
        resident = await asyncio.to_thread(worker.metric, "process_resident_memory_bytes")
        tasks = await asyncio.to_thread(worker.metric, TASKS_METRIC)
        samples.append((resident / MEBIBYTE, tasks))
    return samples


def quarters(values: list[float]) -> list[float]:
    """The median of each quarter."""
    size = max(1, len(values) // 4)
    return [round(statistics.median(values[start : start + size]), 1) for start in range(0, 4 * size, size)]
