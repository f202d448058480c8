"""A real worker that stands still ends itself; one whose brokers are away does not."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from support.eventually import eventually
from support.sabotage import blocked_loop, no_batches, sabotaged
from support.stream import Stream
from support.worker_process import WorkerProcess

from worker.demo.local_kafka import LocalKafka

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

IMPATIENT = {"delivery": {"stuck_seconds": 5}}


def impatient(stream: Stream) -> dict:
    settings = stream.settings(**IMPATIENT)
    settings["kafka"]["request_timeout_seconds"] = 1
    return settings


@pytest.mark.parametrize(
    ("sabotage", "cause", "stack"),
    [
        (no_batches, "3 records in flight, lag 3, no progress for", "_work_or_moment"),
        (blocked_loop, "the event loop has not turned for 5 s", "next_batch"),
    ],
)
async def test_a_worker_that_stands_still_ends_itself_and_shows_where_it_stood(
    kafka: LocalKafka, tmp_path: Path, checkpoint: Path, sabotage: Callable[[], None], cause: str, stack: str
):
    stream = await Stream.create(kafka.bootstrap_servers, tmp_path, checkpoint, partitions=1)
    ids = await stream.produce_messages(3)
    with WorkerProcess(stream.folder, impatient(stream), "stuck", launch=sabotaged(sabotage)) as worker:
        assert await asyncio.to_thread(worker.wait, 90) == 70
        assert cause in worker.log
        assert stack in worker.log
    with WorkerProcess(stream.folder, impatient(stream), "restarted") as worker:
        assert (await stream.outcome(3)).ids == dict.fromkeys(ids, 1)
        assert await asyncio.to_thread(worker.terminate) == 0


async def test_brokers_that_are_away_for_longer_than_a_standstill_are_waited_for(tmp_path: Path, checkpoint: Path):
    with LocalKafka() as kafka:
        stream = await Stream.create(kafka.bootstrap_servers, tmp_path, checkpoint)
        with WorkerProcess(stream.folder, impatient(stream)) as worker:
            ids = await stream.produce_messages(2000, text="with a text that takes the model a little while " * 8)
            await stream.outcome(100)
            await asyncio.to_thread(kafka.kill_broker, 1)
            await eventually(lambda: worker.get("/readyz"), lambda answer: answer[0] == 503, what="not ready any more")
            await asyncio.sleep(15)
            assert worker.get("/livez")[0] == 200
            own = [event for event in worker.events if event.get("logger", "").startswith("worker.")]
            said = [
                (event["event"], event.get("error"))
                for event in own
                if event["level"] in ("warning", "error") and "policy" not in event
            ]
            assert sorted(set(said)) == sorted(said), "each complaint once for each cause"
            await asyncio.to_thread(kafka.start_broker, 1)
            outcome = await stream.outcome(len(ids), timeout_seconds=120)
            assert set(outcome.ids) == set(ids)
            await asyncio.to_thread(worker.wait_ready, 60)
            assert await asyncio.to_thread(worker.terminate) == 0


async def test_a_stop_while_the_brokers_are_away_ends_within_its_budget(tmp_path: Path, checkpoint: Path):
    with LocalKafka() as kafka:
        stream = await Stream.create(kafka.bootstrap_servers, tmp_path, checkpoint)
        settings = impatient(stream)
        settings["delivery"] |= {"drain_budget_seconds": 6, "publish_floor_seconds": 2}
        with WorkerProcess(stream.folder, settings) as worker:
            await stream.produce_messages(2000, text="with a text that takes the model a little while " * 8)
            await stream.outcome(100)
            await asyncio.to_thread(kafka.kill_broker, 1)
            assert await asyncio.to_thread(worker.terminate) in (0, 70)
