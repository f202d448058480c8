"""Limits that brokers set to groups and transactions, held against the settings before a broker refuses them."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from schemas.kafka_settings import KafkaSettings
from schemas.settings import DeliverySettings

LEAST_SESSION, MOST_SESSION = "group.min.session.timeout.ms", "group.max.session.timeout.ms"
MOST_TRANSACTION = "transaction.max.timeout.ms"
NAMES = (LEAST_SESSION, MOST_SESSION, MOST_TRANSACTION)
NO_ERROR = 0


async def broker_limits(client_options: Mapping[str, Any], timeout_seconds: float) -> dict[str, int]:
    """Those of one broker, by the name of its setting; empty where this user may not read them.

    Raises:
        KafkaError, TimeoutError: the brokers cannot be reached or do not answer in time.
    """
    admin = AIOKafkaAdminClient(**client_options)
    limits: dict[str, int] = {}
    try:
        async with asyncio.timeout(timeout_seconds):
            await admin.start()
            broker = (await admin.describe_cluster())["brokers"][0]["node_id"]
            resource = ConfigResource(ConfigResourceType.BROKER, str(broker), configs=dict.fromkeys(NAMES))
            for response in await admin.describe_configs([resource]):
                for described in response.to_object()["resources"]:
                    if described["error_code"] == NO_ERROR:
                        entries = {
                            entry["config_names"]: entry["config_value"] for entry in described["config_entries"]
                        }
                        limits |= {name: int(entries[name]) for name in NAMES if entries.get(name)}
    finally:
        await asyncio.wait_for(admin.close(), timeout_seconds)
    return limits


async def limits_or_none(client_options: Mapping[str, Any], timeout_seconds: float) -> dict[str, int]:
    """The same, empty also where no broker answers: they only explain what is known without them."""
    try:
        return await broker_limits(client_options, timeout_seconds)
    except (KafkaError, TimeoutError):
        return {}


def refused_settings(
    kafka: KafkaSettings, delivery: DeliverySettings | None, limits: Mapping[str, int]
) -> Iterator[str]:
    """What a broker with these limits will refuse, each with the setting and the limit. Pure."""
    session_ms = round(1000 * kafka.session_timeout_seconds)
    least_ms, most_ms = limits.get(LEAST_SESSION), limits.get(MOST_SESSION)
    if most_ms is not None and session_ms > most_ms:
        yield (
            f"kafka.session_timeout_seconds is {kafka.session_timeout_seconds:g}, and the brokers allow at most "
            f"{most_ms / 1000:g} ({MOST_SESSION}): lower it, or raise theirs"
        )
    if least_ms is not None and session_ms < least_ms:
        yield (
            f"kafka.session_timeout_seconds is {kafka.session_timeout_seconds:g}, and the brokers demand at least "
            f"{least_ms / 1000:g} ({LEAST_SESSION}): raise it, or lower theirs"
        )
    transaction_ms = limits.get(MOST_TRANSACTION)
    if delivery is None or delivery.guarantee != "exactly_once" or transaction_ms is None:
        return
    if 1000 * delivery.transaction_timeout_seconds > transaction_ms:
        yield (
            f"delivery.transaction_timeout_seconds is {delivery.transaction_timeout_seconds:g}, and the brokers allow "
            f"at most {transaction_ms / 1000:g} ({MOST_TRANSACTION}): lower it, or raise theirs"
        )
