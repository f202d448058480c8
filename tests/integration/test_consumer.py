"""The group member on a real Kafka: assignment, revocation, offsets."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import AsyncExitStack
from functools import partial

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import NewPartitions, NewTopic, RecordsToDelete
from support.eventually import eventually
from support.guarded_kafka import Guarded, login
from support.kafka import Record as KafkaRecord
from support.kafka import admin_client, committed_offsets, create_topic, produce, unique_name

from schemas.kafka_settings import KafkaSettings
from worker.demo.local_kafka import LocalKafka
from worker.errors import AssignmentTimeoutError, BrokerRefusalError, OffsetLostError
from worker.in_flight.message import Result
from worker.in_flight.partition import Partition
from worker.in_flight.publisher import CommittedOffset, Publisher
from worker.in_flight.record import Record
from worker.kafka.at_least_once import AtLeastOncePublisher
from worker.kafka.client_options import consumer_options
from worker.kafka.consumer import GroupConsumer, Stream
from worker.telemetry.metrics import Metrics
from worker.telemetry.tracing import NOT_TRACED

pytestmark = pytest.mark.integration

PATIENCE_SECONDS = 60.0
PUBLISHER = AtLeastOncePublisher(AIOKafkaProducer, dead_letter_topic="dead", timeout_seconds=1.0)


def finish(partition: Partition, record: Record) -> None:
    """Complete a record as if its output had been acknowledged."""
    partition.published([Result(record, [], NOT_TRACED, 0.0)])


class Idle:
    """A stream that works on nothing, so that nothing has to be brought to an end."""

    def open(self, partition: Partition[Result]) -> None:
        return None

    async def close(self, partitions: Collection[Partition[Result]]) -> None:
        return None


IDLE = Idle()


async def fetch(member: GroupConsumer, count: int) -> list[tuple[Partition, Record]]:
    """Fetch until `count` records are in flight; raises what a rebalance callback raised, as a worker would."""
    fetched: list[tuple[Partition, Record]] = []
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(fetched) < count:
            for partition, records in await member.fetch(max_records=500):
                fetched += [(partition, record) for record in records]
            if member._failure.done():
                await member.failure()
    return fetched


async def assigned(member: GroupConsumer, partitions: int) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(member.partitions) != partitions:
            await member.fetch(500)


def skipped(member: GroupConsumer, topic: str) -> float:
    return member._metrics.records_skipped.labels(topic)._value.get()


Join = Callable[..., Awaitable[GroupConsumer]]


@pytest.fixture
async def join(kafka: LocalKafka) -> AsyncIterator[Join]:
    """Start a member of a group; it leaves when the test ends."""
    async with AsyncExitStack() as stack:

        async def start(
            topic: str, group: str, stream: Stream = IDLE, publisher: Publisher = PUBLISHER, **settings
        ) -> GroupConsumer:
            kafka_settings = KafkaSettings(
                bootstrap_servers=[kafka.bootstrap_servers],
                group_id=group,
                heartbeat_interval_seconds=0.5,
                session_timeout_seconds=6,
                **settings,
            )
            create = partial(AIOKafkaConsumer, **consumer_options(kafka_settings))
            member = GroupConsumer(
                create,
                [topic],
                kafka_settings,
                Metrics(),
                publisher=publisher,
                stream=stream,
            )
            stack.push_async_callback(member.stop, 5.0)
            await member.start()
            return member

        yield start


async def test_only_what_is_complete_is_committed_and_the_next_member_goes_on_from_there(kafka: LocalKafka, join: Join):
    topic, group = await create_topic(kafka.bootstrap_servers), unique_name("group")
    await produce(kafka.bootstrap_servers, topic, [b"%d" % number for number in range(10)])
    member = await join(topic, group)
    fetched = await fetch(member, 10)
    for partition, record in fetched:
        if record.offset not in (6, 8):
            finish(partition, record)
    await member.commit()
    await member.give_up()
    await member.stop(5.0)
    assert await committed_offsets(kafka.bootstrap_servers, group) == {TopicPartition(topic, 0): 6}
    again = await fetch(await join(topic, group), 4)
    assert [record.offset for _, record in again] == [6, 7, 8, 9]


async def test_a_second_member_takes_over_without_gap_and_old_partitions_stay_revoked(kafka: LocalKafka, join: Join):
    topic, group = await create_topic(kafka.bootstrap_servers, partitions=4), unique_name("group")
    await produce(kafka.bootstrap_servers, topic, [b"%d" % number for number in range(40)])
    first = await join(topic, group)
    before = await fetch(first, 40)
    for partition, record in before[:20]:
        finish(partition, record)
    second = await join(topic, group)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(first.partitions) != 2 or len(second.partitions) != 2:
            await first.fetch(500)
    assert all(partition.revoked for partition, _ in before)
    # Those of the second member were fetched while it waited for the first to rejoin, or are still to come.
    unfinished = {(record.partition, record.offset) for _, record in before[20:]}
    in_flight = {
        (partition.number, offset)
        for member in (first, second)
        for partition in member.partitions
        for offset in partition._delivered
    }
    while unfinished - in_flight:
        for member in (first, second):
            for partition, records in await member.fetch(500):
                in_flight |= {(partition.number, record.offset) for record in records}


async def test_a_paused_partition_delivers_nothing_until_it_is_resumed(kafka: LocalKafka, join: Join):
    topic, group = await create_topic(kafka.bootstrap_servers), unique_name("group")
    member = await join(topic, group)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not member.partitions:
            await member.fetch(500)
    member.pause(list(member.partitions))
    await produce(kafka.bootstrap_servers, topic, [b"1"])
    assert [await member.fetch(500) for _ in range(5)] == [[]] * 5
    member.pause([])
    assert len(await fetch(member, 1)) == 1


@pytest.mark.parametrize(("reset", "first"), [("earliest", 0), ("latest", 3)])
async def test_without_a_committed_offset_the_settings_say_where_to_start(
    kafka: LocalKafka, join: Join, reset: str, first: int
):
    topic, group = await create_topic(kafka.bootstrap_servers), unique_name("group")
    await produce(kafka.bootstrap_servers, topic, [b"0", b"1", b"2"])
    member = await join(topic, group, auto_offset_reset=reset)
    await eventually(lambda: member.partitions, what="the member has its partition")
    await produce(kafka.bootstrap_servers, topic, [b"3"])
    assert (await fetch(member, 1))[0][1].offset == first
    assert skipped(member, topic) == first


async def test_a_partition_that_is_added_is_read_from_its_beginning_even_by_those_who_start_at_the_end(
    kafka: LocalKafka, join: Join
):
    topic, group = await create_topic(kafka.bootstrap_servers), unique_name("group")
    member = await join(topic, group, auto_offset_reset="latest")
    await assigned(member, 1)
    async with admin_client(kafka.bootstrap_servers) as admin:
        await admin.create_partitions({topic: NewPartitions(2)})
    await produce(kafka.bootstrap_servers, topic, [KafkaRecord(b"%d" % n, partition=1) for n in range(3)])
    member._client._client.force_metadata_update()
    fetched = await fetch(member, 3)
    assert [(partition.number, record.offset) for partition, record in fetched] == [(1, 0), (1, 1), (1, 2)]
    assert skipped(member, topic) == 0


async def test_retention_that_passes_the_position_of_a_running_member_is_said_and_counted(
    kafka: LocalKafka, join: Join
):
    topic, group = await create_topic(kafka.bootstrap_servers), unique_name("group")
    member = await join(topic, group)
    await assigned(member, 1)
    await produce(kafka.bootstrap_servers, topic, [b"%d" % number for number in range(10)])
    before = await fetch(member, 10)
    member.pause(list(member.partitions))
    await member.fetch(500)
    await produce(kafka.bootstrap_servers, topic, [b"%d" % number for number in range(10, 20)])
    async with admin_client(kafka.bootstrap_servers) as admin:
        await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=15)})
    member.pause([])
    assert [record.offset for _, record in await fetch(member, 5)] == [15, 16, 17, 18, 19]
    assert skipped(member, topic) == 5
    for partition, record in before:
        finish(partition, record)
    await member.commit()
    assert await committed_offsets(kafka.bootstrap_servers, group) == {TopicPartition(topic, 0): 15}


async def test_where_partitions_compete_for_room_each_gets_its_share(kafka: LocalKafka, join: Join):
    topic, group = await create_topic(kafka.bootstrap_servers, partitions=4), unique_name("group")
    member = await join(topic, group)
    await assigned(member, 4)  # before anything is produced: its fetches are not counted
    waiting = [KafkaRecord(b"%d" % number, partition=number % 4) for number in range(400)]
    await produce(kafka.bootstrap_servers, topic, waiting)
    taken = Counter[int]()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while taken.total() < 200:
            for partition, records in await member.fetch(20, least_first=True):
                taken[partition.number] += len(records)
            member.pause(member.partitions)  # as backpressure does: what was fetched beforehand is thrown away
            await member.fetch(20)
            member.pause([])
    assert min(taken.values()) >= 30, taken
    async with asyncio.timeout(PATIENCE_SECONDS):
        while taken.total() < 400:
            for partition, records in await member.fetch(20, least_first=True):
                taken[partition.number] += len(records)
    assert set(taken.values()) == {100}


async def test_of_a_topic_that_is_recreated_under_a_running_member_no_record_is_passed_over(
    kafka: LocalKafka, join: Join
):
    topic, group = await create_topic(kafka.bootstrap_servers), unique_name("group")
    await produce(kafka.bootstrap_servers, topic, [b"%d" % number for number in range(10)])
    member = await join(topic, group)
    for partition, record in await fetch(member, 10):
        finish(partition, record)
    await member.commit()
    async with admin_client(kafka.bootstrap_servers) as admin:
        await admin.delete_topics([topic])
        await eventually(
            lambda: admin.create_topics([NewTopic(topic, 1, 1)]),
            lambda answer: not answer.to_object()["topic_errors"][0]["error_code"],
            what="the topic is created anew",
        )
        await eventually(
            lambda: admin.describe_topics([topic]), lambda found: not found[0]["error_code"], what="the topic is there"
        )
    await produce(kafka.bootstrap_servers, topic, [b"new 0", b"new 1", b"new 2"])
    try:
        fetched = await fetch(member, 3)
    except OffsetLostError:  # noticed by the position; a worker ends, and is started again
        await member.stop(5.0)
        fetched = await fetch(await join(topic, group), 3)
    assert [record.value for _, record in fetched] == [b"new 0", b"new 1", b"new 2"]


async def test_a_start_that_may_not_be_guessed_ends_the_worker(kafka: LocalKafka, join: Join):
    topic, group = await create_topic(kafka.bootstrap_servers), unique_name("group")
    member = await join(topic, group, auto_offset_reset="fail")
    with pytest.raises(OffsetLostError, match="no committed offset"):
        async with asyncio.timeout(PATIENCE_SECONDS):
            await member.failure()


async def test_an_offset_that_retention_passed_is_said_and_counted(kafka: LocalKafka, join: Join):
    topic, group = await create_topic(kafka.bootstrap_servers), unique_name("group")
    await produce(kafka.bootstrap_servers, topic, [b"%d" % number for number in range(10)])
    member = await join(topic, group)
    for partition, record in (await fetch(member, 10))[:2]:
        finish(partition, record)
    await member.commit()
    await member.give_up()
    await member.stop(5.0)
    async with admin_client(kafka.bootstrap_servers) as admin:
        await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=7)})
    member = await join(topic, group)
    assert [record.offset for _, record in await fetch(member, 3)] == [7, 8, 9]
    assert skipped(member, topic) == 5


async def test_a_reader_that_retention_overtakes_goes_on_behind_it_and_counts_what_it_missed(
    kafka: LocalKafka, join: Join
):
    topic, group = await create_topic(kafka.bootstrap_servers), unique_name("group")
    for number in range(10):
        await produce(kafka.bootstrap_servers, topic, [b"%d" % number])
    member = await join(topic, group, fetch_max_partition_bytes=1)
    offsets = [record.offset for _, record in await fetch(member, 1)]
    async with admin_client(kafka.bootstrap_servers) as admin:
        await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=7)})
    async with asyncio.timeout(PATIENCE_SECONDS):
        while offsets[-1] != 9:
            offsets += [record.offset for _, record in await fetch(member, 1)]
    assert offsets[-3:] == [7, 8, 9]
    assert len(offsets) + member._metrics.records_skipped.labels(topic)._value.get() == 10


async def test_partitions_that_cannot_be_opened_in_time_end_the_worker_with_the_setting_to_change(
    kafka: LocalKafka, join: Join
):
    class StuckPublisher(AtLeastOncePublisher):
        async def open(self, topic: str, number: int, committed: CommittedOffset) -> None:
            await asyncio.Event().wait()

    topic, group = await create_topic(kafka.bootstrap_servers), unique_name("group")
    stuck = StuckPublisher(AIOKafkaProducer, dead_letter_topic="dead", timeout_seconds=1.0)
    member = await join(topic, group, publisher=stuck, rebalance_timeout_seconds=2)
    with pytest.raises(AssignmentTimeoutError, match=r"within 1 s \(half of kafka\.rebalance_timeout_seconds\)"):
        async with asyncio.timeout(PATIENCE_SECONDS):
            await member.failure()


async def test_a_producer_that_does_not_start_in_time_ends_the_worker_with_its_own_setting(
    kafka: LocalKafka, join: Join
):
    class SlowPublisher(AtLeastOncePublisher):
        async def open(self, topic: str, number: int, committed: CommittedOffset) -> None:
            raise TimeoutError("the producer did not start within 1 s (a multiple of kafka.request_timeout_seconds)")

    topic, group = await create_topic(kafka.bootstrap_servers), unique_name("group")
    slow = SlowPublisher(AIOKafkaProducer, dead_letter_topic="dead", timeout_seconds=1.0)
    member = await join(topic, group, publisher=slow)
    with pytest.raises(AssignmentTimeoutError, match=r"within 1 s \(a multiple of kafka\.request_timeout_seconds\)"):
        async with asyncio.timeout(PATIENCE_SECONDS):
            await member.failure()


async def test_a_login_that_is_refused_ends_the_start_at_once(guarded: Guarded):
    security = login("SASL_PLAINTEXT", "SCRAM-SHA-256", password="wrong")
    settings = KafkaSettings.model_validate(
        {"bootstrap_servers": [guarded.kafka.bootstrap("SASL")], "security": security}
    )
    create = partial(AIOKafkaConsumer, **consumer_options(settings))
    member = GroupConsumer(
        create,
        ["topic"],
        settings,
        Metrics(),
        publisher=PUBLISHER,
        stream=IDLE,
    )
    with pytest.raises(BrokerRefusalError, match="username and password"):
        await member.start()
