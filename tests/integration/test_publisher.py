"""The publisher on a real Kafka: what is acknowledged, what a failure leaves behind."""

from collections.abc import AsyncIterator
from functools import partial

import pytest
from aiokafka import AIOKafkaProducer
from support.kafka import create_topic, read_all, unique_name
from support.records import consumer_record

from schemas.kafka_settings import KafkaSettings
from worker.demo.local_kafka import LocalKafka
from worker.in_flight.message import Result
from worker.in_flight.outgoing import Outgoing
from worker.in_flight.partition import Partition
from worker.in_flight.publisher import PublishError
from worker.kafka.at_least_once import AtLeastOncePublisher
from worker.kafka.client_options import producer_options
from worker.telemetry.tracing import NOT_TRACED

pytestmark = pytest.mark.integration

TIMEOUT_SECONDS = 3.0
PARTITION = Partition("in", 0, epoch=1, next_offset=0)


def result(offset: int, *outgoing: Outgoing) -> Result:
    return Result(consumer_record(offset=offset), list(outgoing), NOT_TRACED, 0.0)


def record(topic: str, value: bytes, key: bytes | None = b"key") -> Outgoing:
    return Outgoing(topic, key, value, [("name", b"header")])


@pytest.fixture
def settings(kafka: LocalKafka) -> KafkaSettings:
    return KafkaSettings(bootstrap_servers=[kafka.bootstrap_servers], request_timeout_seconds=2.0)


@pytest.fixture
def dead_letter_topic() -> str:
    return unique_name("dead-letters")


@pytest.fixture
async def publisher(settings: KafkaSettings, dead_letter_topic: str) -> AsyncIterator[AtLeastOncePublisher]:
    create = partial(AIOKafkaProducer, **producer_options(settings, record_limits=[10_000_000]))
    publisher = AtLeastOncePublisher(create, dead_letter_topic=dead_letter_topic, timeout_seconds=TIMEOUT_SECONDS)
    yield publisher
    await publisher.stop(TIMEOUT_SECONDS)


async def test_a_round_is_published_in_order_with_keys_and_headers(publisher: AtLeastOncePublisher, kafka: LocalKafka):
    topic = await create_topic(kafka.bootstrap_servers, "out")
    results = [result(number, record(topic, b"%d" % number)) for number in range(100)]
    await publisher.publish(PARTITION, results)
    assert all(each.acknowledged for each in results)
    written = await read_all(kafka.bootstrap_servers, topic)
    assert [each.value for each in written] == [b"%d" % number for number in range(100)]
    assert (written[0].key, written[0].headers) == (b"key", (("name", b"header"),))


async def test_a_missing_dead_letter_topic_stops_no_output(
    publisher: AtLeastOncePublisher, kafka: LocalKafka, dead_letter_topic: str
):
    topic = await create_topic(kafka.bootstrap_servers, "out")
    good, dead = result(0, record(topic, b"good")), result(1, record(dead_letter_topic, b"dead"))
    with pytest.raises(PublishError, match=dead_letter_topic):
        await publisher.publish(PARTITION, [dead, good])
    assert (good.acknowledged, dead.acknowledged) == (True, False)
    assert [each.value for each in await read_all(kafka.bootstrap_servers, topic)] == [b"good"]


async def test_a_record_that_the_broker_refuses_does_not_poison_the_next_round(
    publisher: AtLeastOncePublisher, kafka: LocalKafka
):
    topic = await create_topic(kafka.bootstrap_servers, "out", config={"max.message.bytes": "2000"})
    await publisher.publish(PARTITION, [result(0, record(topic, b"before"))])
    too_large = result(1, record(topic, b"x" * 5000))
    with pytest.raises(PublishError, match="MessageSizeTooLarge"):
        await publisher.publish(PARTITION, [too_large])
    after = result(2, record(topic, b"after"))
    await publisher.publish(PARTITION, [after])
    assert after.acknowledged
    assert [each.value for each in await read_all(kafka.bootstrap_servers, topic)] == [b"before", b"after"]


async def test_only_what_was_not_acknowledged_is_sent_again(publisher: AtLeastOncePublisher, kafka: LocalKafka):
    topic = await create_topic(kafka.bootstrap_servers, "out")
    results = [result(0, record(topic, b"first")), result(1, record(topic, b"second"))]
    results[0].outgoing[0].acknowledged = True
    await publisher.publish(PARTITION, results)
    assert [each.value for each in await read_all(kafka.bootstrap_servers, topic)] == [b"second"]
