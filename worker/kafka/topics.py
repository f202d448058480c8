"""What the brokers say of topics: do they exist, how large may a record be."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.metadata import MetadataRequest

from schemas.kafka_settings import KafkaSettings
from worker.backoff import Backoff
from worker.errors import BrokerRefusalError, PolicyError
from worker.in_flight.record_limits import BROKER_DEFAULT_MAX_MESSAGE_BYTES
from worker.kafka.client_options import client_options
from worker.kafka.connection_log import connection_log

log = structlog.get_logger(__name__)

NO_ERROR = 0
UNKNOWN_TOPIC = 3
MAX_MESSAGE_BYTES = "max.message.bytes"
FIRST_LOOKUP_RETRY_SECONDS, LONGEST_LOOKUP_RETRY_SECONDS = 0.5, 15.0


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


async def record_limits(kafka: KafkaSettings, *, read: Collection[str], written: Collection[str]) -> dict[str, int]:
    """The largest record of each topic written to; waits, and says so once, for brokers that are away.

    Raises:
        BrokerRefusalError: the login or the certificate is refused, or a topic is denied.
        PolicyError: a topic that the settings or policies name does not exist.
    """
    names = {*read, *written}
    topics = await _described(kafka, names)
    missing = sorted(name for name in names if topics[name].missing)
    denied = sorted(name for name in names if not topics[name].missing and topics[name].error_code != NO_ERROR)
    if denied:
        errors = {name: for_code(topics[name].error_code).__name__ for name in denied}
        raise BrokerRefusalError(
            "; ".join(f"topic {name!r}: {error}: allow this user to use it" for name, error in errors.items())
        )
    if missing:
        raise PolicyError([f"topic {name!r} does not exist: create it first, or correct its name" for name in missing])
    return {name: topics[name].max_message_bytes or BROKER_DEFAULT_MAX_MESSAGE_BYTES for name in written}


async def _described(kafka: KafkaSettings, names: Collection[str]) -> dict[str, Topic]:
    options = client_options(kafka)
    backoff = Backoff(FIRST_LOOKUP_RETRY_SECONDS, LONGEST_LOOKUP_RETRY_SECONDS)
    while True:
        with connection_log() as connections:
            try:
                return await describe_topics(options, names, kafka.request_timeout_seconds)
            except (KafkaError, TimeoutError) as error:
                failure = connections.failure
                if failure is not None and failure.permanent:
                    raise BrokerRefusalError(str(failure)) from error
                if backoff.first:
                    log.warning("waiting for the brokers", error=str(failure or error))
        await backoff.wait()


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
