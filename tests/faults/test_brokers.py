"""Brokers that are restarted, killed, killed in the middle of a commit, and too few to be in sync."""

import asyncio
import random
import time

import pytest
from support.faults.cases import both_modes, sized
from support.faults.cluster import THROUGH_PROXIES
from support.faults.proxy import Api, Direction
from support.faults.run import Run

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

OUTAGE_SECONDS = 15.0


@sized("restarts", 4, 0)
async def test_f4_brokers_restarted_cleanly(open_run, add_to_report, rng: random.Random, mode: str, restarts: int):
    async with open_run(mode) as run:
        await run.start()
        for _ in range(restarts):
            broker = await next_victim(run, rng)
            stopped_at = time.time()
            await asyncio.to_thread(run.cluster.kafka.stop_broker, broker)
            await run.resumed(stopped_at)
            await asyncio.to_thread(run.cluster.kafka.start_broker, broker)
            await run.flowing()
        add_to_report(await run.finish("F4", "broker restarted"), faults=restarts)


@sized("kills", 5, 0)
async def test_f4_brokers_killed(open_run, add_to_report, rng: random.Random, mode: str, kills: int):
    async with open_run(mode) as run:
        await run.start()
        for _ in range(kills):
            await kill(run, await next_victim(run, rng))
        add_to_report(await run.finish("F4", "kill -9 a broker"), faults=kills)


@sized("kills", 3, 0)
async def test_f5_the_groups_coordinator_killed(open_run, add_to_report, mode: str, kills: int):
    async with open_run(mode) as run:
        await run.start()
        for _ in range(kills):
            await run.cluster.in_sync()
            await kill(run, await run.cluster.coordinator(run.group))
        add_to_report(await run.finish("F5", "kill -9 the group coordinator"), faults=kills)


@pytest.mark.parametrize("kills", [3])
async def test_f5_the_transaction_coordinator_killed(open_run, add_to_report, rng: random.Random, kills: int):
    async with open_run("exactly_once") as run:
        await run.start()
        for _ in range(kills):
            await run.cluster.in_sync()
            await kill(run, await run.cluster.coordinator(transactional_id(run, rng), transactions=True))
        add_to_report(await run.finish("F5", "kill -9 the transaction coordinator"), faults=kills)


@pytest.mark.parametrize(
    ("mode", "api"),
    [
        ("at_least_once", Api.OFFSET_COMMIT),
        ("exactly_once", Api.TRANSACTION_OFFSET_COMMIT),
        ("exactly_once", Api.END_TRANSACTION),
    ],
)
@pytest.mark.parametrize("direction", list(Direction))
async def test_f5_a_coordinator_killed_with_a_commit_on_its_way(
    open_run, add_to_report, rng: random.Random, mode: str, api: int, direction: Direction
):
    """Towards the broker the commit dies with it; towards the worker it was done, and the worker does not know."""
    async with open_run(mode) as run:
        await run.start(listener=THROUGH_PROXIES)
        for _ in range(2):
            await run.cluster.in_sync()
            if api == Api.END_TRANSACTION:
                broker = await run.cluster.coordinator(transactional_id(run, rng), transactions=True)
            else:
                broker = await run.cluster.coordinator(run.group)
            held = run.cluster.proxies.proxies[broker].hold(direction, apis=[api])
            await held.caught()
            await kill(run, broker, held.release)
        add_to_report(await run.finish("F5", "kill -9 a coordinator in mid-commit"), faults=2)


@both_modes
async def test_f15_fewer_replicas_in_sync_than_outputs_need(open_run, add_to_report, rng: random.Random, mode: str):
    """Nothing may be committed meanwhile, for nothing can be acknowledged."""
    async with open_run(mode, output_config={"min.insync.replicas": "3"}) as run:
        await run.start()
        broker = await next_victim(run, rng)
        await asyncio.to_thread(run.cluster.kafka.kill_broker, broker)
        run.disturbances += len(run.workers)
        await asyncio.sleep(OUTAGE_SECONDS / 2)
        before = run.observer.committed(run.input_topic)
        await asyncio.sleep(OUTAGE_SECONDS)
        assert run.observer.committed(run.input_topic) == before
        assert any(worker.get("/readyz")[0] == 503 for worker in run.workers)
        await asyncio.to_thread(run.cluster.kafka.start_broker, broker)
        await run.resumed(time.time())
        add_to_report(await run.finish("F15", "fewer replicas in sync than acknowledgements need"), faults=1)


@both_modes
async def test_f15_two_of_three_brokers_gone(open_run, add_to_report, rng: random.Random, mode: str):
    async with open_run(mode) as run:
        await run.start()
        first = await next_victim(run, rng)
        second = rng.choice([broker for broker in run.cluster.kafka.brokers if broker != first])
        for broker in (first, second):
            await asyncio.to_thread(run.cluster.kafka.kill_broker, broker)
        run.disturbances += len(run.workers)
        await asyncio.sleep(OUTAGE_SECONDS)
        for broker in (first, second):
            run.cluster.kafka.start_broker(broker, wait=False)
        for broker in (first, second):
            await asyncio.to_thread(run.cluster.kafka.wait_ready, broker)
        await run.resumed(time.time())
        add_to_report(await run.finish("F15", "kill -9 two of three brokers"), faults=1)


async def next_victim(run: Run, rng: random.Random) -> int:
    """Any broker, once all have what the others have: one more away is all that a cluster of three can bear."""
    await run.cluster.in_sync()
    return rng.choice(run.cluster.kafka.brokers)


async def kill(run: Run, broker: int, *then) -> None:
    """Kill a broker, wait for progress without it, and start it again."""
    killed_at = time.time()
    await asyncio.to_thread(run.cluster.kafka.kill_broker, broker)
    run.disturbances += len(run.workers)
    for undo in then:
        undo()
    await run.resumed(killed_at)
    await asyncio.to_thread(run.cluster.kafka.start_broker, broker)
    await run.flowing()


def transactional_id(run: Run, rng: random.Random) -> str:
    return f"{run.group}-{run.input_topic}-{rng.randrange(run.partition_count)}"
