"""Records that real brokers refuse for what they are, in both guarantees."""

import asyncio
import json
from pathlib import Path

import pytest
from support.eventually import eventually
from support.faults.topics import configure_topic
from support.kafka import Record, create_topic, produce
from support.stream import Stream
from support.worker_process import WorkerProcess

from worker.demo.local_kafka import LocalKafka

pytestmark = pytest.mark.integration

both_guarantees = pytest.mark.parametrize("guarantee", ["at_least_once", "exactly_once"])


@pytest.fixture
async def stream(kafka: LocalKafka, tmp_path: Path, checkpoint: Path) -> Stream:
    return await Stream.create(kafka.bootstrap_servers, tmp_path, checkpoint)


def ticket(number: int, extra: str = "") -> bytes:
    return json.dumps(
        {"text": f"where is parcel {number}", "tenant": "shop", "number": number, "extra": extra}
    ).encode()


@both_guarantees
async def test_records_without_a_key_are_dead_letters_where_the_output_topic_becomes_compacted(
    stream: Stream, guarantee: str
):
    server = stream.bootstrap_servers
    records = [Record(ticket(n), key=None if n % 10 == 3 else b"key", partition=n % 2) for n in range(100)]
    with WorkerProcess(stream.folder, stream.settings(delivery={"guarantee": guarantee})) as worker:
        await worker.assigned(4)
        await configure_topic(server, stream.output_topic, {"cleanup.policy": "compact"})
        await produce(server, stream.input_topic, records)
        outcome = await stream.outcome(100)
        assert outcome.reasons == {"publish_refused": 10}
        assert sorted(value["payload"]["number"] for value in outcome.values) == [n for n in range(100) if n % 10 != 3]
        assert set(outcome.ids.values()) == {1}
        assert "may demand a key (cleanup.policy=compact)" in worker.log
        assert "broker error 87" in worker.log
        await eventually(lambda: worker.get("/readyz")[0], lambda status: status == 200, what="the worker is ready")
        assert await asyncio.to_thread(worker.terminate) == 0


async def test_a_topic_that_was_compacted_before_is_not_asked_to_take_a_record_without_a_key(stream: Stream):
    server = stream.bootstrap_servers
    stream.output_topic = await create_topic(server, "compacted", partitions=4, config={"cleanup.policy": "compact"})
    await produce(server, stream.input_topic, [Record(ticket(n), key=b"key" if n else None) for n in range(20)])
    with WorkerProcess(stream.folder, stream.settings()) as worker:
        outcome = await stream.outcome(20)
        assert (len(outcome.values), outcome.reasons) == (19, {"publish_refused": 1})
        assert "is compacted (cleanup.policy=compact)" in worker.log
        assert "broker error 87" not in worker.log
        assert await asyncio.to_thread(worker.terminate) == 0


@both_guarantees
async def test_a_limit_that_is_lowered_while_a_worker_runs_makes_dead_letters_and_no_standstill(
    stream: Stream, guarantee: str
):
    server = stream.bootstrap_servers
    with WorkerProcess(stream.folder, stream.settings(delivery={"guarantee": guarantee})) as worker:
        await produce(server, stream.input_topic, [ticket(0)])
        await stream.outcome(1)
        await configure_topic(server, stream.output_topic, {"max.message.bytes": "2000"})
        values = [ticket(n, "x" * (4000 if n == 7 else 10)) for n in range(1, 20)]
        await produce(server, stream.input_topic, [Record(value, partition=0) for value in values])
        outcome = await stream.outcome(20)
        assert outcome.reasons == {"publish_refused": 1}
        assert len(outcome.values) == 19
        assert await asyncio.to_thread(worker.terminate) == 0
