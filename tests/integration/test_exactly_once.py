"""Exactly once on a real Kafka: who reads committed records sees each input's result once, whatever happens."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from support.eventually import eventually
from support.kafka import committed_offsets, create_topic, read_all, unique_name
from support.records import consumer_record
from support.stream import Stream, assert_key_order
from support.worker_process import WorkerProcess, from_command_line

from schemas.kafka_settings import KafkaSettings
from worker.demo.local_kafka import LocalKafka
from worker.in_flight.message import Result
from worker.in_flight.outgoing import Outgoing
from worker.in_flight.partition import Partition
from worker.in_flight.publisher import PublishError
from worker.kafka.client_options import producer_options
from worker.kafka.exactly_once import ExactlyOncePublisher
from worker.telemetry.tracing import NOT_TRACED

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

LONG_TEXT = "with a text that takes the model a little while " * 8
EXACTLY_ONCE = {"guarantee": "exactly_once", "transaction_timeout_seconds": 10}


@pytest.fixture
async def stream(kafka: LocalKafka, tmp_path: Path, checkpoint: Path) -> Stream:
    return await Stream.create(kafka.bootstrap_servers, tmp_path, checkpoint)


async def test_each_input_comes_out_once_through_kill_9_dead_letters_included(stream: Stream):
    ids = await stream.produce_messages(50, tenant="nobody")
    ids += await stream.produce_messages(2000, first=50, text=LONG_TEXT)
    settings = stream.settings(delivery=EXACTLY_ONCE)
    for number, until in enumerate((200, 600)):
        with WorkerProcess(stream.folder, settings, f"killed-{number}") as worker:
            await stream.outcome(until)
            worker.kill()
    with WorkerProcess(stream.folder, settings, "last", from_command_line) as worker:
        outcome = await stream.all_done(len(ids))
        assert await asyncio.to_thread(worker.terminate) == 0
    assert outcome.ids == dict.fromkeys(ids, 1)
    assert outcome.reasons == {"tenant_unknown": 50}
    assert_key_order(outcome.outputs)


async def test_a_frozen_worker_that_wakes_up_adds_nothing_to_what_its_successor_did(stream: Stream):
    ids = await stream.produce_messages(2000, text=LONG_TEXT)
    settings = stream.settings(delivery=EXACTLY_ONCE)
    with WorkerProcess(stream.folder, settings, "frozen") as frozen:
        await stream.outcome(100)
        frozen.send(signal.SIGSTOP)
        with WorkerProcess(stream.folder, settings, "successor") as successor:
            await stream.outcome(800)
            frozen.send(signal.SIGCONT)
            outcome = await stream.all_done(len(ids))
            assert await asyncio.to_thread(successor.terminate) == 0
        assert await asyncio.to_thread(frozen.terminate) == 0
    assert outcome.ids == dict.fromkeys(ids, 1)


async def test_replicas_that_come_and_go_repeat_nothing(stream: Stream):
    ids = await stream.produce_messages(2000, text=LONG_TEXT)
    settings = stream.settings(delivery=EXACTLY_ONCE)
    with WorkerProcess(stream.folder, settings, "first") as first:
        await stream.outcome(100)
        with WorkerProcess(stream.folder, settings, "second") as second:
            await second.assigned(2)
            ids += await stream.produce_messages(500, first=2000)
            assert await asyncio.to_thread(second.terminate) == 0
        outcome = await stream.all_done(len(ids))
        assert await asyncio.to_thread(first.terminate) == 0
    assert outcome.ids == dict.fromkeys(ids, 1)
    assert_key_order(outcome.outputs)


class Owners:
    """Owners of one input partition, one after the other or, like zombies, at once."""

    def __init__(self, bootstrap_servers: str, input_topic: str, output_topic: str) -> None:
        self.bootstrap_servers = bootstrap_servers
        self.group = unique_name("group")
        self.topic_partition = TopicPartition(input_topic, 0)
        self.partition = Partition(input_topic, 0, epoch=1, next_offset=0)
        self.output_topic = output_topic
        self.stack = AsyncExitStack()

    async def open(self, timeout_seconds: float = 15.0) -> ExactlyOncePublisher:
        settings = KafkaSettings(bootstrap_servers=[self.bootstrap_servers], request_timeout_seconds=5.0)
        options = producer_options(settings, record_limits=[10_000_000])
        publisher = ExactlyOncePublisher(
            lambda transactional_id: partial(AIOKafkaProducer, **options)(transactional_id=transactional_id),
            group_id=self.group,
            timeout_seconds=timeout_seconds,
        )
        self.stack.push_async_callback(publisher.stop, 5.0)
        await publisher.open(self.topic_partition.topic, self.topic_partition.partition, self.committed)
        return publisher

    async def committed(self) -> int | None:
        return (await committed_offsets(self.bootstrap_servers, self.group)).get(self.topic_partition)

    async def written(self) -> list[bytes | None]:
        return [record.value for record in await read_all(self.bootstrap_servers, self.output_topic)]

    def results(self, *offsets: int) -> list[Result]:
        return [self.result(offset, b"%d" % offset) for offset in offsets]

    def result(self, offset: int, value: bytes) -> Result:
        outgoing = [Outgoing(self.output_topic, b"key", value, [])]
        return Result(consumer_record(offset=offset), outgoing, NOT_TRACED, 0.0)


@pytest.fixture
async def owners(kafka: LocalKafka) -> AsyncIterator[Owners]:
    servers = kafka.bootstrap_servers
    output = await create_topic(servers, "out", config={"max.message.bytes": "2000"})
    owners = Owners(servers, await create_topic(servers, "in"), output)
    async with owners.stack:
        yield owners


async def test_the_offset_moves_with_the_outputs(owners: Owners):
    publisher, results = await owners.open(), owners.results(0, 1, 2)
    await publisher.publish(owners.partition, results)
    assert all(result.acknowledged for result in results)
    await publisher.publish(owners.partition, owners.results(3))
    assert await owners.written() == [b"0", b"1", b"2", b"3"]
    await eventually(owners.committed, lambda offset: offset == 4, what="offset 4 committed", timeout_seconds=10)


async def test_a_producer_that_does_not_start_in_time_is_named_with_the_setting(owners: Owners):
    named = rf"'{owners.group}-.*-0' did not start within .* kafka\.request_timeout_seconds"
    # A broker that accepts and never answers: aiokafka leaves its connection open where a start is cancelled later.
    with socket.create_server(("127.0.0.1", 0)) as silent_broker:
        owners.bootstrap_servers = f"127.0.0.1:{silent_broker.getsockname()[1]}"
        with pytest.raises(TimeoutError, match=named):
            await owners.open(timeout_seconds=0.1)


async def test_a_zombie_is_fenced_and_what_its_successor_did_is_not_done_again(owners: Owners):
    zombie = await owners.open()
    await zombie.publish(owners.partition, owners.results(0))
    successor = await owners.open()
    late = owners.results(1, 2, 3)
    with pytest.raises(PublishError, match="Fenced"):
        await zombie.publish(owners.partition, late)
    assert not any(result.acknowledged for result in late)
    await successor.publish(owners.partition, owners.results(1, 2))
    await zombie.publish(owners.partition, late)
    assert await owners.written() == [b"0", b"1", b"2", b"3"]


async def test_one_refused_record_keeps_the_whole_transaction_and_its_offset_back(owners: Owners):
    publisher = await owners.open()
    await publisher.publish(owners.partition, owners.results(0))
    with pytest.raises(PublishError, match="MessageSizeTooLarge"):
        await publisher.publish(owners.partition, [*owners.results(1), owners.result(2, b"x" * 5000)])
    assert await owners.written() == [b"0"]
    await publisher.publish(owners.partition, owners.results(1, 2))
    assert await owners.written() == [b"0", b"1", b"2"]
