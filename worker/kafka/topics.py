"""What the brokers say of topics: do they exist, how large may a record be."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.protocol.metadata import MetadataRequest

NO_ERROR = 0
UNKNOWN_TOPIC = 3
MAX_MESSAGE_BYTES = "max.message.bytes"
BROKER_DEFAULT_MAX_MESSAGE_BYTES = 1_048_588


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as this client may see it. `max_message_bytes` is None where the brokers do not let it be read."""

    name: str
    partitions: int
    max_message_bytes: int | None
    error_code: int = NO_ERROR

    @property
    def missing(self) -> bool:
        return self.error_code == UNKNOWN_TOPIC


async def describe_topics(
    client_options: Mapping[str, Any], names: Collection[str], timeout_seconds: float
) -> dict[str, Topic]:
    """Look the topics up, by name; one that is missing or denied has its Kafka error code.

    Raises:
        KafkaError, TimeoutError: the brokers cannot be reached or do not answer in time.
    """
    admin = AIOKafkaAdminClient(**client_options)
    try:
        async with asyncio.timeout(timeout_seconds):
            await admin.start()
            # The client's own describe_topics lets brokers create a topic that is missing: a typing error would stay.
            request = MetadataRequest(sorted(names), allow_auto_topic_creation=False)
            described = (await admin._send_request(request)).to_object()["topics"]
            present = [topic["topic"] for topic in described if topic["error_code"] == NO_ERROR]
            limits = await _limits(admin, present) if present else {}
    finally:
        await asyncio.wait_for(admin.close(), timeout_seconds)
    return {
        topic["topic"]: Topic(topic["topic"], len(topic["partitions"]), limits.get(topic["topic"]), topic["error_code"])
        for topic in described
    }


async def _limits(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, int]:
    resources = [ConfigResource(ConfigResourceType.TOPIC, name, configs={MAX_MESSAGE_BYTES: None}) for name in names]
    limits: dict[str, int] = {}
    for response in await admin.describe_configs(resources):
        for resource in response.to_object()["resources"]:
            if resource["error_code"] == NO_ERROR:
                entries = {entry["config_names"]: entry["config_value"] for entry in resource["config_entries"]}
                limits[resource["resource_name"]] = int(entries[MAX_MESSAGE_BYTES])
    return limits
