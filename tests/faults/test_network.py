"""A network between workers and brokers that is cut, frozen in one direction, or slow for one call only."""

import asyncio
import random
import time

import pytest
from support.faults.cases import MODES
from support.faults.cluster import THROUGH_PROXIES
from support.faults.proxy import BOTH, Api, Direction
from support.faults.run import SESSION_SECONDS

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

REQUEST_TIMEOUT_SECONDS = 3.0  # of the workers of a run
WAYS = [
    (1, "cut"),
    (3, "cut"),
    (1, "frozen"),
    (3, "frozen"),
    (3, Direction.TO_BROKER),
    (3, Direction.TO_WORKER),
]


@pytest.mark.parametrize(
    ("mode", "brokers", "how"),
    [
        pytest.param("exactly_once", 1, "cut", marks=pytest.mark.quick),
        *((mode, brokers, how) for mode in MODES for brokers, how in WAYS),
    ],
)
async def test_f6_workers_parted_from_brokers(
    open_run, add_to_report, rng: random.Random, mode: str, brokers: int, how: str
):
    """Longer than the session, so that the group takes the partitions away; then the network heals."""
    async with open_run(mode) as run:
        await run.start(listener=THROUGH_PROXIES)
        for number in rng.sample(run.cluster.kafka.brokers, brokers):
            proxy = run.cluster.proxies.proxies[number]
            if how == "cut":
                proxy.cut()
            else:
                proxy.hold(*(BOTH if how == "frozen" else (Direction(how),)))
        run.disturbances += len(run.workers)
        await asyncio.sleep(SESSION_SECONDS + rng.uniform(1, 5))
        run.cluster.proxies.heal()
        await run.resumed(time.time())
        which = "one broker" if brokers == 1 else "every broker"
        where = "both directions" if how in ("cut", "frozen") else f"only {how}"
        what = f"network to {which} {'cut' if how == 'cut' else 'frozen'}, {where}"
        add_to_report(await run.finish("F6", what), faults=1)


@pytest.mark.parametrize(
    ("mode", "api", "name"),
    [
        ("at_least_once", Api.PRODUCE, "Produce"),
        ("at_least_once", Api.OFFSET_COMMIT, "OffsetCommit"),
        ("exactly_once", Api.PRODUCE, "Produce"),
        ("exactly_once", Api.TRANSACTION_OFFSET_COMMIT, "TxnOffsetCommit"),
        ("exactly_once", Api.END_TRANSACTION, "EndTxn"),
    ],
)
@pytest.mark.parametrize("direction", list(Direction))
async def test_f7_calls_delayed_beyond_their_timeout(
    open_run, add_to_report, mode: str, api: int, name: str, direction: Direction
):
    """Towards the broker a call arrives after the worker has given it up, perhaps into its next transaction."""
    async with open_run(mode) as run:
        await run.start(listener=THROUGH_PROXIES)
        proxies = run.cluster.proxies.proxies.values()
        for seconds in (1.5 * REQUEST_TIMEOUT_SECONDS, 4 * REQUEST_TIMEOUT_SECONDS):
            held = [proxy.hold(direction, apis=[api], seconds=seconds) for proxy in proxies]
            await asyncio.sleep(6 * REQUEST_TIMEOUT_SECONDS)
            assert sum(each.frames for each in held) > 0
            run.disturbances += len(run.workers) * 2
            for each in held:
                each.expire()
            await run.resumed(time.time())
        what = "calls" if direction == Direction.TO_BROKER else "answers"
        add_to_report(await run.finish("F7", f"{name} {what} delayed beyond the timeout"), faults=2)
