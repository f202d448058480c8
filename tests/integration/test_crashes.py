"""A record that ends the process, on a real Kafka: found within a few crashes, its neighbours unharmed."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import pytest
from support.kafka import metadata_of_offsets
from support.sabotage import POISON, poisonous_text, sabotaged
from support.stream import Stream
from support.worker_process import WorkerProcess

from worker.demo.local_kafka import LocalKafka

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

GUARANTEES = [{"guarantee": "at_least_once"}, {"guarantee": "exactly_once", "transaction_timeout_seconds": 10}]


@pytest.fixture
async def stream(kafka: LocalKafka, tmp_path: Path, checkpoint: Path) -> Stream:
    return await Stream.create(kafka.bootstrap_servers, tmp_path, checkpoint, partitions=2)


@pytest.mark.parametrize("delivery", GUARANTEES, ids=lambda delivery: delivery["guarantee"])
async def test_a_record_that_kills_the_process_is_found_and_its_neighbours_are_classified(
    stream: Stream, delivery: dict[str, Any]
):
    ids = await stream.produce_messages(30)
    (poison,) = await stream.produce_messages(1, first=30, text=POISON)
    ids += await stream.produce_messages(30, first=31)
    settings = stream.settings(delivery=delivery)
    for number in range(3):
        with WorkerProcess(stream.folder, settings, f"crash-{number}", sabotaged(poisonous_text)) as worker:
            assert await asyncio.to_thread(worker.wait, 90) == -signal.SIGKILL
    with WorkerProcess(stream.folder, settings, "last", sabotaged(poisonous_text)) as worker:
        outcome = await stream.all_done(len(ids) + 1)
        ids += await stream.produce_messages(50, first=200)
        outcome = await stream.all_done(len(ids) + 1)
        assert await asyncio.to_thread(worker.terminate) == 0
    assert outcome.reasons == {"crashed_worker": 1}
    assert {*ids, poison} == set(outcome.ids)
    assert {value["record_id"] for value in outcome.values} == set(ids)
    if delivery["guarantee"] == "exactly_once":
        assert set(outcome.ids.values()) == {1}
    assert set((await metadata_of_offsets(stream.bootstrap_servers, stream.group)).values()) == {""}


@pytest.mark.parametrize("delivery", GUARANTEES, ids=lambda delivery: delivery["guarantee"])
async def test_an_orderly_stop_and_a_replica_that_joins_are_no_crashes(stream: Stream, delivery: dict[str, Any]):
    ids = await stream.produce_messages(1500, text="with a text that takes the model a little while " * 8)
    settings = stream.settings(delivery=delivery)
    with WorkerProcess(stream.folder, settings, "stopped") as worker:
        await stream.outcome(100)
        assert await asyncio.to_thread(worker.terminate) == 0
    with WorkerProcess(stream.folder, settings, "first") as first:
        await stream.outcome(200)
        with WorkerProcess(stream.folder, settings, "second") as second:
            await second.assigned(1)
            assert await asyncio.to_thread(second.terminate) == 0
        outcome = await stream.all_done(len(ids))
        assert await asyncio.to_thread(first.terminate) == 0
        assert "without giving this partition back" not in worker.log + first.log + second.log
    assert outcome.ids == dict.fromkeys(ids, 1)
