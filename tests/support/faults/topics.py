"""What administrators do to topics while workers use them."""

import asyncio
from collections.abc import Mapping

from aiokafka import TopicPartition
from aiokafka.admin import NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.admin.records_to_delete import RecordsToDelete
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest
from support.kafka import admin_client

TOPIC, LITERAL, WRITE, DENY, ANY_HOST = 2, 3, 4, 2, "*"
WAIT_SECONDS = 30.0


async def delete_topic(servers: str, topic: str) -> None:
    """Delete a topic and wait until no broker knows it."""
    async with admin_client(servers) as admin:
        await admin.delete_topics([topic])
        async with asyncio.timeout(WAIT_SECONDS):
            while topic in await admin.list_topics():
                await asyncio.sleep(0.1)


async def recreate_topic(
    servers: str, topic: str, partitions: int, config: Mapping[str, str] | None = None, *, replicas: int = 3
) -> None:
    """Create a topic that was deleted, under its old name."""
    async with admin_client(servers) as admin, asyncio.timeout(WAIT_SECONDS):
        while True:
            await admin.create_topics([NewTopic(topic, partitions, replicas, topic_configs=dict(config or {}))])
            described = (await admin.describe_topics([topic]))[0]
            if described["error_code"] == 0 and all(each["leader"] >= 0 for each in described["partitions"]):
                return
            await asyncio.sleep(0.2)


async def add_partitions(servers: str, topic: str, total: int) -> None:
    async with admin_client(servers) as admin:
        await admin.create_partitions({topic: NewPartitions(total)})


async def configure_topic(servers: str, topic: str, config: Mapping[str, str]) -> None:
    """Set a topic's configuration; what is not named goes back to its default."""
    async with admin_client(servers) as admin:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=dict(config))])


async def expire_records(servers: str, before: Mapping[TopicPartition, int]) -> None:
    """Do at once what retention does in time: forget the records below these offsets."""
    async with admin_client(servers) as admin:
        await admin.delete_records({partition: RecordsToDelete(offset) for partition, offset in before.items()})


async def deny_writing(servers: str, topic: str, user: str) -> None:
    async with admin_client(servers) as admin:
        request = CreateAclsRequest(TOPIC, topic, LITERAL, f"User:{user}", ANY_HOST, WRITE, DENY)
        response = await admin._send_request(request)
        assert response.to_object()["creation_responses"][0]["error_code"] == 0, response


async def allow_writing(servers: str, topic: str, user: str) -> None:
    """Take `deny_writing` back."""
    async with admin_client(servers) as admin:
        request = DeleteAclsRequest(TOPIC, topic, LITERAL, f"User:{user}", ANY_HOST, WRITE, DENY)
        response = await admin._send_request(request)
        assert response.to_object()["filter_responses"][0]["error_code"] == 0, response
