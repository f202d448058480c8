"""Members of a group, as real processes: static ones, several with a share each, and topics that go away."""

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import pytest
from support.eventually import eventually
from support.faults.topics import delete_topic, recreate_topic
from support.kafka import create_topic
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


async def test_topics_of_one_partition_are_shared_by_all_replicas(stream: Stream):
    topics = [await create_topic(stream.bootstrap_servers, "single", partitions=1) for _ in range(6)]
    settings = stream.settings(input={"topics": topics})
    with contextlib.ExitStack() as running:
        workers = [
            running.enter_context(WorkerProcess(stream.folder, settings, f"replica-{number}")) for number in range(3)
        ]
        await eventually(
            lambda: [worker.metric("gliclass_assigned_partitions") for worker in workers],
            lambda counts: counts == [2, 2, 2],
            what="each of three replicas has two of six partitions",
            timeout_seconds=60,
        )


async def test_an_input_topic_that_is_deleted_is_named_and_the_others_are_read_on(stream: Stream):
    doomed = await create_topic(stream.bootstrap_servers, "doomed", partitions=2)
    settings = stream.settings(input={"topics": [stream.input_topic, doomed]})
    with WorkerProcess(stream.folder, settings) as worker:
        await asyncio.to_thread(worker.wait_ready)
        await delete_topic(stream.bootstrap_servers, doomed)
        await eventually(
            lambda: worker.get("/readyz"),
            lambda answer: answer[0] == 503 and f"{doomed!r} does not exist any more" in answer[1],
            what="readiness fails with the name of the topic",
            timeout_seconds=60,
        )
        ids = await stream.produce_messages(10)
        assert set((await stream.outcome(10)).ids) == set(ids)
        await eventually(
            lambda: worker.get("/metrics")[1].splitlines(),
            lambda lines: not [line for line in lines if "partition_lag" in line and doomed in line],
            what="the lag of the deleted topic ends",
            timeout_seconds=60,
        )
        await recreate_topic(stream.bootstrap_servers, doomed, 2, replicas=1)
        await eventually(
            lambda: worker.get("/readyz")[0], lambda status: status == 200, what="ready again", timeout_seconds=60
        )
