"""What the brokers say of topics: do they exist, how large may a record be."""

import asyncio
from collections.abc import Collection, Iterator, Mapping
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
from worker.in_flight.record_limits import BROKER_DEFAULT_MAX_MESSAGE_BYTES, RecordLimits
from worker.kafka.client_options import client_options
from worker.kafka.connection_log import connection_log

log = structlog.get_logger(__name__)

NO_ERROR = 0
UNKNOWN_TOPIC = 3
MAX_MESSAGE_BYTES, CLEANUP_POLICY, LEAST_IN_SYNC = "max.message.bytes", "cleanup.policy", "min.insync.replicas"
FIRST_LOOKUP_RETRY_SECONDS, LONGEST_LOOKUP_RETRY_SECONDS = 0.5, 15.0


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as this client may see it. What the brokers do not let it read is None.

    `replicas`: of the partition that has fewest.
    """

    name: str
    partitions: int
    max_message_bytes: int | None
    error_code: int = NO_ERROR
    cleanup_policy: str | None = None
    least_in_sync: int | None = None
    replicas: int | None = None

    @property
    def missing(self) -> bool:
        return self.error_code == UNKNOWN_TOPIC

    @property
    def compacted(self) -> bool:
        return self.cleanup_policy is not None and "compact" in self.cleanup_policy


def topic_remarks(topic: Topic) -> Iterator[str]:
    """What will go wrong with a topic that is written to, as it is configured. Pure."""
    if topic.compacted:
        yield (
            f"topic {topic.name!r} is compacted (cleanup.policy={topic.cleanup_policy}): the brokers refuse records "
            "without a key, and of each key only the last record stays; use delete, or give every input record a key "
            "of its own"
        )
    if topic.least_in_sync is None or topic.replicas is None:
        return
    if topic.least_in_sync > topic.replicas:
        yield (
            f"topic {topic.name!r} demands {topic.least_in_sync} replicas in sync (min.insync.replicas) and has "
            f"{topic.replicas}: older brokers never take a record then, newer ones none while a broker is away; lower "
            "it, or add replicas"
        )
    elif topic.least_in_sync == topic.replicas > 1:
        yield (
            f"topic {topic.name!r} demands all of its {topic.replicas} replicas in sync (min.insync.replicas): nothing "
            "can be written to it while a broker is away; lower it by one"
        )


async def learn_limits(
    limits: RecordLimits, kafka: KafkaSettings, *, read: Collection[str], written: Collection[str]
) -> None:
    """What each topic written to takes; waits, and says so once, for brokers that are away.

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
    for name in sorted(written):
        for remark in topic_remarks(topics[name]):
            log.warning("a topic that will refuse records", reason=remark)
    limits.learn(
        {name: topics[name].max_message_bytes or BROKER_DEFAULT_MAX_MESSAGE_BYTES for name in written},
        compacted=[name for name in written if topics[name].compacted],
    )


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
            configured = await _configured(admin, present) if present else {}
    finally:
        await asyncio.wait_for(admin.close(), timeout_seconds)
    return {topic["topic"]: _topic(topic, configured.get(topic["topic"], {})) for topic in described}


def _topic(described: Mapping[str, Any], configured: Mapping[str, str]) -> Topic:
    partitions = described["partitions"]
    limit, least_in_sync = configured.get(MAX_MESSAGE_BYTES), configured.get(LEAST_IN_SYNC)
    return Topic(
        described["topic"],
        len(partitions),
        int(limit) if limit else None,
        described["error_code"],
        cleanup_policy=configured.get(CLEANUP_POLICY),
        least_in_sync=int(least_in_sync) if least_in_sync else None,
        replicas=min((len(partition["replicas"]) for partition in partitions), default=None),
    )


async def _configured(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    wanted = (MAX_MESSAGE_BYTES, CLEANUP_POLICY, LEAST_IN_SYNC)
    resources = [ConfigResource(ConfigResourceType.TOPIC, name, configs=dict.fromkeys(wanted)) for name in names]
    configured: dict[str, dict[str, str]] = {}
    for response in await admin.describe_configs(resources):
        for resource in response.to_object()["resources"]:
            if resource["error_code"] == NO_ERROR:
                entries = {entry["config_names"]: entry["config_value"] for entry in resource["config_entries"]}
                configured[resource["resource_name"]] = {name: entries[name] for name in wanted if entries.get(name)}
    return configured
