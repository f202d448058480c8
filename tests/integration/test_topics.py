"""What the brokers say of topics, on a real Kafka."""

import pytest
from support.kafka import admin_client, create_topic, unique_name

from worker.demo.local_kafka import LocalKafka
from worker.kafka.topics import describe_topics

pytestmark = pytest.mark.integration


async def test_a_topic_is_described_with_its_own_limit_and_a_missing_one_as_missing(kafka: LocalKafka):
    name = await create_topic(kafka.bootstrap_servers, partitions=3, config={"max.message.bytes": "2345"})
    missing = unique_name("missing")
    topics = await describe_topics({"bootstrap_servers": kafka.bootstrap_servers}, [name, missing], 10.0)
    assert (topics[name].partitions, topics[name].max_message_bytes, topics[name].missing) == (3, 2345, False)
    assert topics[missing].missing


async def test_looking_for_a_topic_does_not_create_it():
    missing = unique_name("missing")
    with LocalKafka(properties={"auto.create.topics.enable": "true"}) as kafka:
        options = {"bootstrap_servers": kafka.bootstrap_servers}
        assert (await describe_topics(options, [missing], 10.0))[missing].missing
        async with admin_client(kafka.bootstrap_servers) as admin:
            assert missing not in await admin.list_topics()
