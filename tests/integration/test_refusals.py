"""What brokers refuse a worker for good ends it with the setting or the right to change, and never in a wait."""

import asyncio
from pathlib import Path

import pytest
from support.guarded_kafka import Guarded, Operation, Resource, login
from support.stream import Stream
from support.worker_process import WorkerProcess

from schemas.settings import Settings
from worker.checks.kafka import check_kafka
from worker.checks.result import Outcome
from worker.demo.local_kafka import LocalKafka

pytestmark = pytest.mark.integration


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
    for topic in (stream.input_topic, stream.output_topic, stream.dead_letter_topic):
        await guarded.allow(Resource.TOPIC, topic, Operation.READ, Operation.WRITE, Operation.DESCRIBE)
    await guarded.allow(Resource.GROUP, stream.group, Operation.READ, Operation.DESCRIBE)
    security = login("SASL_PLAINTEXT", "SCRAM-SHA-256", username="stranger")
    servers = [guarded.kafka.bootstrap("SASL")]
    settings = stream.settings(
        kafka={"bootstrap_servers": servers, "security": security}, delivery={"guarantee": "exactly_once"}
    )
    with WorkerProcess(tmp_path, settings) as worker:
        assert await asyncio.to_thread(worker.wait) == 1
        assert f"write transactional ids that begin with '{stream.group}-'" in worker.log
