"""Static members of a group, as real processes."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from support.stream import Stream
from support.worker_process import WorkerProcess

from worker.demo.local_kafka import LocalKafka

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

SESSION_SECONDS = 6


@pytest.fixture
async def stream(kafka: LocalKafka, tmp_path: Path, checkpoint: Path) -> Stream:
    return await Stream.create(kafka.bootstrap_servers, tmp_path, checkpoint, partitions=2)


def instance(stream: Stream, name: str, session_timeout_seconds: float = SESSION_SECONDS) -> dict[str, Any]:
    settings = stream.settings()
    settings["kafka"] |= {"group_instance_id": name, "session_timeout_seconds": session_timeout_seconds}
    return settings


async def test_a_static_member_that_restarts_moves_no_partition_of_the_others(stream: Stream):
    with (
        WorkerProcess(stream.folder, instance(stream, "a", 60), "a") as first,
        WorkerProcess(stream.folder, instance(stream, "b", 60), "b") as second,
    ):
        await first.assigned(1)
        await second.assigned(1)
        rebalances = first.log.count("partitions assigned")
        assert await asyncio.to_thread(second.terminate) == 0
        second.start()
        await second.assigned(1)
        ids = await stream.produce_messages(100)
        assert (await stream.outcome(100)).ids == dict.fromkeys(ids, 1)
        assert first.log.count("partitions assigned") == rebalances
        for worker in (first, second):
            assert await asyncio.to_thread(worker.terminate) == 0


async def test_of_two_processes_with_one_instance_id_the_second_ends_with_the_reason(stream: Stream):
    with WorkerProcess(stream.folder, instance(stream, "same"), "settled") as settled:
        await settled.assigned(2)
        await asyncio.sleep(2 * SESSION_SECONDS)
        with WorkerProcess(stream.folder, instance(stream, "same"), "rival") as rival:
            assert await asyncio.to_thread(rival.wait, 120) == 1
            assert "both have kafka.group_instance_id 'same'" in rival.log
        ids = await stream.produce_messages(100)
        outcome = await stream.outcome(100)
        assert set(outcome.ids) == set(ids)
        assert await asyncio.to_thread(settled.terminate) == 0
