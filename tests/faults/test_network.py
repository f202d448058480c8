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
RARE_COMMIT_SECONDS = 2.0
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
        delays = (1.5 * REQUEST_TIMEOUT_SECONDS, 4 * REQUEST_TIMEOUT_SECONDS)
        if (api, direction) == (Api.OFFSET_COMMIT, Direction.TO_BROKER):
            run.rewind_seconds = max(delays) + REQUEST_TIMEOUT_SECONDS  # the commit that mends it is delayed as well
        for seconds in delays:
            held = [proxy.hold(direction, apis=[api], seconds=seconds) for proxy in proxies]
            await asyncio.sleep(6 * REQUEST_TIMEOUT_SECONDS)
            assert sum(each.frames for each in held) > 0
            run.disturbances += len(run.workers) * 2
            for each in held:
                each.expire()
            await run.resumed(time.time())
        what = "calls" if direction == Direction.TO_BROKER else "answers"
        add_to_report(await run.finish("F7", f"{name} {what} delayed beyond the timeout"), faults=2)


@pytest.mark.quick
async def test_f7_a_commit_that_arrives_after_newer_ones_does_not_stay(open_run, add_to_report):
    """Nothing more is written by then: no later record would bring the offset forward again."""
    async with open_run("at_least_once") as run:
        await run.start(workers=1, listener=THROUGH_PROXIES, delivery={"commit_interval_seconds": RARE_COMMIT_SECONDS})
        # Half way between two commits, or the offset could not be seen to be back before the next one mends it.
        seconds = REQUEST_TIMEOUT_SECONDS + 4.5 * RARE_COMMIT_SECONDS
        held = [
            proxy.hold(Direction.TO_BROKER, apis=[Api.OFFSET_COMMIT], seconds=seconds)
            for proxy in run.cluster.proxies.proxies.values()
        ]
        arrives_at = time.monotonic() + seconds
        while not any(each.frames for each in held):
            await asyncio.sleep(0.05)
        for each in held:
            each.expire()
        run.disturbances += 1
        await run.resumed(time.time())
        await run.settle()
        assert time.monotonic() < arrives_at, "the stream came to rest only after the late commit: nothing is shown"
        before = run.observer.committed(run.input_topic)
        while run.observer.committed(run.input_topic) == before:
            assert time.monotonic() < arrives_at + seconds, "the late commit did not take the offset back"
            await asyncio.sleep(0.05)
        run.rewind_seconds = REQUEST_TIMEOUT_SECONDS
        while run.observer.committed(run.input_topic) != before:
            assert time.monotonic() < arrives_at + 2 * seconds, "the offset stays where the late commit put it"
            await asyncio.sleep(0.05)
        add_to_report(await run.finish("F7", "OffsetCommit call that arrives after newer ones, idle stream"), faults=1)
