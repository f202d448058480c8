"""Workers that are killed, stopped, frozen, slowed down, added and taken away while messages flow."""

import asyncio
import random
import signal
import time

import pytest
from support.eventually import eventually
from support.faults.cases import both_modes, sized
from support.faults.history import Kind
from support.faults.run import SECONDS_PER_TEXT, SESSION_SECONDS, Run
from support.faults.worker import commit_early
from support.worker_process import WorkerProcess

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

MEMBERS_AT_MOST = 4


@sized("kills", 25, 2, "at_least_once", "exactly_once")
async def test_f1_workers_killed_at_random(open_run, add_to_report, rng: random.Random, mode: str, kills: int):
    async with open_run(mode) as run:
        await run.start()
        for _ in range(kills):
            await asyncio.sleep(rng.uniform(0, 2))
            victim = rng.choice(run.workers)
            killed_at = time.time()
            victim.kill()
            run.disturbances += 1
            victim.start()
            await run.resumed(killed_at)
        add_to_report(await run.finish("F1", "kill -9 a worker"))


@sized("stops", 8, 1, "at_least_once")
async def test_f2_workers_stopped_in_the_middle_of_work_repeat_nothing(
    open_run, add_to_report, rng: random.Random, mode: str, stops: int
):
    async with open_run(mode) as run:
        await run.start()
        for _ in range(stops):
            await asyncio.sleep(rng.uniform(0, 2))
            victim = rng.choice(run.workers)
            stopped_at = time.time()
            assert await asyncio.to_thread(victim.terminate) == 0
            victim.start()
            await run.resumed(stopped_at)
        row = await run.finish("F2", "SIGTERM a worker")
        assert row.repeated == 0
        add_to_report(row, faults=stops)


@sized("freezes", 5, 1, "exactly_once")
async def test_f3_workers_frozen_beyond_their_session_wake_up_as_zombies(
    open_run, add_to_report, rng: random.Random, mode: str, freezes: int
):
    async with open_run(mode) as run:
        await run.start()
        await wait_for_all_members(run)  # one that is frozen while it joins ends itself when it wakes
        for _ in range(freezes):
            await asyncio.sleep(rng.uniform(0, 2))
            zombie = rng.choice(run.workers)
            frozen_at = time.time()
            zombie.send(signal.SIGSTOP)
            run.disturbances += 1
            await run.resumed(frozen_at)  # the others have taken over
            await asyncio.sleep(rng.uniform(0, 2))
            zombie.send(signal.SIGCONT)
            await run.flowing()
            await wait_for_all_members(run)
        add_to_report(await run.finish("F3", "SIGSTOP a worker beyond its session, then SIGCONT"))


@both_modes
async def test_f8_a_model_twenty_times_slower_costs_nobody_their_membership(open_run, add_to_report, mode: str):
    async with open_run(mode) as run:
        await run.start()
        await wait_for_all_members(run)
        assignments = sum(worker.log.count("partitions assigned") for worker in run.workers)
        slowed_at = time.time()
        run.slow_down(20 * SECONDS_PER_TEXT)
        await run.resumed(slowed_at)
        await asyncio.sleep(3 * SESSION_SECONDS)
        run.slow_down()
        await run.flowing()
        assert sum(worker.log.count("partitions assigned") for worker in run.workers) == assignments
        row = await run.finish("F8", "model 20 times slower")
        assert row.repeated == 0
        add_to_report(row, faults=1)


@sized("seconds", 150, 15, "exactly_once")
async def test_f9_a_storm_of_members_that_join_and_leave(
    open_run, add_to_report, rng: random.Random, mode: str, seconds: int
):
    async with open_run(mode) as run:
        await run.start()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            await asyncio.sleep(rng.uniform(0.5, 3))
            alive = [worker for worker in run.workers if worker.running]
            if len(alive) < 2 or (len(alive) < MEMBERS_AT_MOST and rng.random() < 0.5):
                run.worker()
            else:
                rng.choice(alive).send(signal.SIGTERM)
            run.disturbances += 1
        ended_at = time.time()
        run.worker()
        await run.resumed(ended_at)
        add_to_report(await run.finish("F9", "a member joins or leaves every 0.5-3 s"))


@both_modes
async def test_f10_a_spare_replica_takes_over(open_run, add_to_report, rng: random.Random, mode: str):
    async with open_run(mode, partitions=2) as run:
        await run.start(workers=3)
        for _ in range(3):
            await wait_for_all_members(run)
            (spare,) = [worker for worker in run.workers if assigned(worker) == 0]
            owner = rng.choice([worker for worker in run.workers if worker is not spare])
            killed_at = time.time()
            owner.kill()
            run.disturbances += 1
            await run.resumed(killed_at)
            assert assigned(spare) > 0
            owner.start()
        add_to_report(await run.finish("F10", "owner killed, a spare replica takes over"))


async def test_a_worker_that_commits_what_it_has_not_published_is_found_out(open_run):
    """A suite that finds nothing proves nothing unless it finds this."""
    async with open_run("at_least_once") as run:
        commit_early(run.folder)
        run.slow_down(0.02)
        await run.oracle.write(1000)
        victim = run.worker()
        await eventually(
            lambda: run.observer.committed(run.input_topic),
            lambda committed: sum(committed.values()) >= 100,
            what="100 records committed",
        )
        victim.kill()
        run.disturbances += 1
        run.slow_down()
        victim.start()
        with pytest.raises(AssertionError) as found:
            await run.finish("F1", "kill -9 a worker that commits early")
        assert Kind.LOST_WRITE in str(found.value)


def assigned(worker: WorkerProcess) -> float:
    return worker.metric("gliclass_assigned_partitions")


async def wait_for_all_members(run: Run) -> None:
    """Wait until the workers have all partitions between them and each is a member of the group."""

    def members_and_partitions() -> tuple[int, float]:
        ready = [worker for worker in run.workers if worker.get("/readyz")[0] == 200]
        return len(ready), sum(map(assigned, ready))

    everyone = (len(run.workers), run.partition_count)
    await eventually(members_and_partitions, lambda seen: seen == everyone, what=f"members, partitions {everyone}")
