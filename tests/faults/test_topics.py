"""Topics that get partitions, are made anew, or lose records before they were read."""

import asyncio
import random
import time

import pytest
from aiokafka import TopicPartition
from support.eventually import eventually
from support.faults.cases import both_modes
from support.faults.observer import parse_output
from support.faults.oracle import Oracle
from support.faults.run import Run
from support.faults.topics import add_partitions, delete_topic, expire_records, recreate_topic
from support.kafka import end_offsets, read_all
from support.worker_process import WorkerProcess

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]

OUTSIDE = "outside the log"
ADDED = 3


@both_modes
async def test_f14_partitions_that_are_added_are_read_from_their_beginning(
    open_run, add_to_report, rng: random.Random, mode: str
):
    async with open_run(mode) as run:
        await run.start(workers=1)
        await run.stop_writing()
        total = run.partition_count + ADDED
        added_at = time.time()
        await add_partitions(run.cluster.bootstrap_servers, run.input_topic, total)
        later = Oracle(run.cluster.bootstrap_servers, run.input_topic, total, rng, keys="later")
        await later.write(300)
        run.extra_inputs += later.acknowledged
        await eventually(
            lambda: run.observer.committed(run.input_topic),
            lambda committed: len(committed) == total,
            what="every partition has an offset",
            timeout_seconds=90,
        )
        run.resume_seconds.append(time.time() - added_at)
        row = await run.finish("F14", "partitions added")
        assert row.repeated == 0
        add_to_report(row, faults=1)


@both_modes
async def test_f14_a_topic_made_anew_while_nobody_reads_is_read_from_its_beginning(open_run, add_to_report, mode: str):
    async with open_run(mode) as run:
        worker = run.worker()
        await run.oracle.write(1200)
        await run.settle()
        assert await asyncio.to_thread(worker.terminate) == 0
        await made_anew(run)
        written = await write_anew(run, 300)
        worker.start()
        await all_out(run, written)
        add_to_report(await verdict_of_second_life(run, written, "topic recreated while no worker ran"), faults=1)


@both_modes
async def test_f14_a_topic_made_anew_under_a_worker_is_read_from_its_beginning(open_run, add_to_report, mode: str):
    """The worker may end, loudly, and be started again by its orchestrator; it may not pass over anything."""
    async with open_run(mode) as run:
        worker = run.worker()
        await run.oracle.write(1200)
        await run.settle()
        await made_anew(run)
        written = await write_anew(run, 300)
        await all_out(run, written, worker)
        add_to_report(await verdict_of_second_life(run, written, "topic recreated under a worker"), faults=1)


@both_modes
async def test_f14_records_that_retention_took_while_nobody_read_are_counted(open_run, add_to_report, mode: str):
    async with open_run(mode) as run:
        worker = run.worker()
        await run.oracle.write(600)
        await run.settle()
        assert await asyncio.to_thread(worker.terminate) == 0
        await run.oracle.write(1200)
        gone = await expire_half_of_the_rest(run)
        worker.start()
        inputs = [each for each in run.oracle.acknowledged if each.source not in gone]
        row = await run.finish("F14", "retention passes the committed offset", inputs)
        assert OUTSIDE in worker.log
        assert worker.metric("gliclass_records_skipped_total") == len(gone)
        add_to_report(row, faults=1)


@both_modes
async def test_f14_records_that_retention_took_from_a_slow_worker_are_counted(open_run, add_to_report, mode: str):
    async with open_run(mode) as run:
        worker = run.worker()
        await run.oracle.write(300)
        await run.settle()
        run.slow_down(0.05)
        await run.oracle.write(3000)
        await asyncio.sleep(3)
        gone = await expire_half_of_the_rest(run)
        run.slow_down()
        async with asyncio.timeout(120):
            while OUTSIDE not in worker.log:
                restart_if_ended(worker)
                await asyncio.sleep(0.2)
        await run.settle()
        outputs = {parse_output(each).source for each in await read_both(run)}
        inputs = [each for each in run.oracle.acknowledged if each.source not in gone or each.source in outputs]
        row = await run.finish("F14", "retention passes a slow worker", inputs)
        skipped = len(run.oracle.acknowledged) - len(inputs)
        assert 0 < skipped <= worker.metric("gliclass_records_skipped_total")
        add_to_report(row, faults=1)


async def made_anew(run: Run) -> None:
    """Delete and create the input topic; the run begins a second life, in which its offsets count from 0 again."""
    await delete_topic(run.cluster.bootstrap_servers, run.input_topic)
    await recreate_topic(run.cluster.bootstrap_servers, run.input_topic, run.partition_count)
    run.oracle.acknowledged.clear()
    run.observer.samples.clear()


async def write_anew(run: Run, count: int) -> set[str]:
    """Write to the new topic; gives the uuids."""
    await run.oracle.write(count)
    return {each.uuid for each in run.oracle.acknowledged}


async def all_out(run: Run, uuids: set[str], worker: WorkerProcess | None = None) -> None:
    async with asyncio.timeout(120):
        while not uuids <= {parse_output(each).uuid for each in await read_both(run)}:
            if worker is not None:
                restart_if_ended(worker)
            await asyncio.sleep(0.5)


def restart_if_ended(worker: WorkerProcess) -> None:
    """What an orchestrator does."""
    if not worker.running:
        worker.start()


async def verdict_of_second_life(run: Run, uuids: set[str], what: str):
    """Coordinates of the first life come again in the second, so only outputs and offsets of the second are judged."""
    ends = await end_offsets(run.cluster.bootstrap_servers, run.input_topic)
    await eventually(
        lambda: run.observer.committed(run.input_topic),
        lambda committed: committed == {tp.partition: end for tp, end in ends.items()},
        what="the ends are committed",
    )
    run.observer.forget_first_life()
    return await run.finish("F14", what, keep=lambda output: output.uuid in uuids)


async def expire_half_of_the_rest(run: Run) -> set[tuple[str, int, int]]:
    """Let retention take half of what is not committed in each partition; gives the coordinates it took."""
    ends = await end_offsets(run.cluster.bootstrap_servers, run.input_topic)
    committed = run.observer.committed(run.input_topic)
    before: dict[TopicPartition, int] = {}
    for partition, end in ends.items():
        start = committed.get(partition.partition, 0)
        before[partition] = start + (end - start) // 2
    await expire_records(run.cluster.bootstrap_servers, before)
    return {
        (partition.topic, partition.partition, offset)
        for partition, end in before.items()
        for offset in range(committed.get(partition.partition, 0), end)
    }


async def read_both(run: Run):
    return await read_all(run.cluster.bootstrap_servers, run.output_topic, run.dead_letter_topic)
