"""What brokers refuse a worker for good ends it with the setting or the right to change, and never in a wait."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from support.eventually import eventually
from support.guarded_kafka import Guarded, Operation, Resource, login
from support.stream import Stream
from support.worker_process import WorkerProcess

from schemas.settings import Settings
from worker.checks.kafka import check_kafka
from worker.checks.result import Outcome
from worker.demo.local_kafka import LocalKafka

pytestmark = pytest.mark.integration

both_guarantees = pytest.mark.parametrize("guarantee", ["at_least_once", "exactly_once"])


async def allowed(guarded: Guarded, stream: Stream, **delivery: Any) -> dict[str, Any]:
    """Settings of a worker of `stranger`, who gets every right but those on transactional ids."""
    for topic in (stream.input_topic, stream.output_topic, stream.dead_letter_topic):
        await guarded.allow(Resource.TOPIC, topic, Operation.READ, Operation.WRITE)
    await guarded.allow(Resource.GROUP, stream.group, Operation.READ)
    security = login("SASL_PLAINTEXT", "SCRAM-SHA-256", username="stranger")
    kafka = {"bootstrap_servers": [guarded.kafka.bootstrap("SASL")], "security": security}
    return stream.settings(kafka={**kafka, "request_timeout_seconds": 2}, delivery=delivery)


async def test_a_session_that_the_brokers_do_not_allow_ends_the_start_and_is_foreseen(tmp_path: Path, checkpoint: Path):
    with LocalKafka(properties={"group.max.session.timeout.ms": "7000"}) as kafka:
        stream = await Stream.create(kafka.bootstrap_servers, tmp_path, checkpoint)
        settings = stream.settings(kafka={"session_timeout_seconds": 10})
        words = "kafka.session_timeout_seconds is 10, and the brokers allow at most 7 (group.max.session.timeout.ms)"
        with WorkerProcess(tmp_path, settings) as worker:
            assert await asyncio.to_thread(worker.wait) == 1
            assert words in worker.log
            assert "broker error 26" in worker.log
        found = {result.name: result async for result in check_kafka(Settings(**settings), ())}
        assert found["limits of the brokers"].outcome is Outcome.FAILED
        assert words in found["limits of the brokers"].detail


async def test_a_user_without_rights_on_transactional_ids_is_told_the_prefix(
    guarded: Guarded, tmp_path: Path, checkpoint: Path
):
    stream = await Stream.create(guarded.kafka.bootstrap_servers, tmp_path, checkpoint)
    with WorkerProcess(tmp_path, await allowed(guarded, stream, guarantee="exactly_once")) as worker:
        assert await asyncio.to_thread(worker.wait) == 1
        assert f"write transactional ids that begin with '{stream.group}-'" in worker.log


@both_guarantees
async def test_a_right_to_write_that_is_taken_away_is_named_and_ends_the_worker(
    guarded: Guarded, tmp_path: Path, checkpoint: Path, guarantee: str
):
    stream = await Stream.create(guarded.kafka.bootstrap_servers, tmp_path, checkpoint, partitions=1)
    settings = await allowed(guarded, stream, guarantee=guarantee, stuck_seconds=10)
    await guarded.allow(Resource.TRANSACTIONAL_ID, f"{stream.group}-{stream.input_topic}-0", Operation.WRITE)
    words = f"allow this user to describe and write topic '{stream.output_topic}'"
    with WorkerProcess(tmp_path, settings) as worker:
        await stream.produce_messages(3)
        await stream.outcome(3)
        await guarded.revoke(Resource.TOPIC, stream.output_topic, Operation.WRITE)
        await stream.produce_messages(3, first=3)
        await eventually(lambda: worker.get("/readyz")[1], lambda said: words in said, what="/readyz names the right")
        assert await asyncio.to_thread(worker.wait) == 1
        (end,) = [event["reason"] for event in worker.events if event["event"] == "the worker ends"]
        assert words in end


@pytest.mark.parametrize(
    ("resource", "words"),
    [
        (Resource.TOPIC, "allow this user to describe and read topic '{}'"),
        (Resource.GROUP, "allow this user to read group '{}'"),
    ],
    ids=["input topic", "group"],
)
async def test_a_right_to_read_that_is_taken_away_ends_the_worker_with_what_to_change(
    guarded: Guarded, tmp_path: Path, checkpoint: Path, resource: Resource, words: str
):
    stream = await Stream.create(guarded.kafka.bootstrap_servers, tmp_path, checkpoint, partitions=1)
    name = stream.group if resource is Resource.GROUP else stream.input_topic
    with WorkerProcess(tmp_path, await allowed(guarded, stream)) as worker:
        await stream.produce_messages(3)
        await stream.outcome(3)
        await guarded.revoke(resource, name, Operation.READ)
        await stream.produce_messages(3, first=3)
        assert await asyncio.to_thread(worker.wait) == 1
        ends = [event["reason"] for event in worker.events if event["event"] == "the worker ends"]
        assert words.format(name) in str(ends).replace('"', "'")
