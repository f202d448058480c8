"""The one place that turns settings into aiokafka arguments."""

import ssl
from collections.abc import Collection
from pathlib import Path
from typing import Any

from aiokafka.helpers import create_ssl_context
from pydantic import SecretStr

from schemas.kafka_settings import KafkaSettings, SecuritySettings
from worker.config import read_file
from worker.errors import ConfigurationError
from worker.kafka.assignor import EvenRangeAssignor

METADATA_MAX_AGE_MS = 10_000
"""Also the time until partitions that were added are read; the client's five minutes would all be lag."""

MAX_BATCH_BYTES = 1024 * 1024
"""aiokafka sends one batch per partition at a time; its 16 KiB make a burst of records as many round trips."""


def client_options(kafka: KafkaSettings) -> dict[str, Any]:
    """Arguments that consumer, producer and admin client share.

    Reads the certificate and password files; raises ConfigurationError, naming the setting, where one is unusable.
    """
    security = kafka.security
    options: dict[str, Any] = {
        "bootstrap_servers": kafka.bootstrap_servers,
        "client_id": kafka.client_id,
        "request_timeout_ms": _milliseconds(kafka.request_timeout_seconds),
        "security_protocol": security.protocol,
    }
    if security.encrypted:
        options["ssl_context"] = _ssl_context(security)
    if security.authenticated:
        options["sasl_mechanism"] = security.sasl_mechanism
        options["sasl_plain_username"] = security.username
        options["sasl_plain_password"] = _password(security)
    return options


def consumer_options(kafka: KafkaSettings) -> dict[str, Any]:
    """Arguments of the group's consumer: offsets are committed by hand, and assigned by one assignor.

    Two assignors would cost two rounds of joining at every rebalance.
    """
    return {
        **client_options(kafka),
        "group_id": kafka.group_id,
        "group_instance_id": kafka.group_instance_id,
        "enable_auto_commit": False,
        # The group's consumer decides, and says so; aiokafka would go on elsewhere in silence.
        "auto_offset_reset": "none",
        "metadata_max_age_ms": METADATA_MAX_AGE_MS,
        "isolation_level": kafka.isolation_level,
        "partition_assignment_strategy": (EvenRangeAssignor,),
        "session_timeout_ms": _milliseconds(kafka.session_timeout_seconds),
        "heartbeat_interval_ms": _milliseconds(kafka.heartbeat_interval_seconds),
        "rebalance_timeout_ms": _milliseconds(kafka.rebalance_timeout_seconds),
        "max_poll_interval_ms": _milliseconds(kafka.max_poll_interval_seconds),
        "fetch_max_wait_ms": _milliseconds(kafka.fetch_max_wait_seconds),
        "fetch_max_bytes": kafka.fetch_max_bytes,
        "max_partition_fetch_bytes": kafka.fetch_max_partition_bytes,
        "max_poll_records": kafka.fetch_max_records,
    }


def producer_options(kafka: KafkaSettings, *, record_limits: Collection[int]) -> dict[str, Any]:
    """Arguments of an idempotent producer; `record_limits`: as in `size_options`."""
    return {**client_options(kafka), "enable_idempotence": True, "linger_ms": 0, **size_options(record_limits)}


def size_options(record_limits: Collection[int]) -> dict[str, Any]:
    """A producer's arguments that depend on the topics written to; `record_limits`: their `max.message.bytes`.

    No batch of several records may pass the smallest, for a batch that the broker refuses breaks the producer for its
    partition; a single record for the topic that takes the largest must pass, though, whatever the others take.
    """
    return {"max_batch_size": min(MAX_BATCH_BYTES, *record_limits), "max_request_size": max(record_limits)}


def _ssl_context(security: SecuritySettings) -> ssl.SSLContext:
    for name in ("ca_file", "certificate_file", "key_file"):
        path: Path | None = getattr(security, name)
        if path is not None and not path.is_file():
            raise ConfigurationError(f"kafka.security.{name}", [f"{path} is no readable file"])
    try:
        context = create_ssl_context(cafile=security.ca_file)
    except OSError as error:
        raise ConfigurationError("kafka.security.ca_file", [f"{security.ca_file} is no PEM: {error}"]) from None
    if security.certificate_file is not None and security.key_file is not None:
        password = security.key_password or SecretStr("")  # without one OpenSSL would ask the terminal, and hang
        try:
            context.load_cert_chain(security.certificate_file, security.key_file, password.get_secret_value())
        except OSError as error:
            message = (
                f"{security.certificate_file} with {security.key_file} cannot be used: {error}; is key_password right?"
            )
            raise ConfigurationError("kafka.security.certificate_file", [message]) from None
    return context


def _password(security: SecuritySettings) -> str:
    if security.password is not None:
        return security.password.get_secret_value()
    assert security.password_file is not None, "the settings demand one of the two"
    try:
        return read_file(security.password_file).decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise ConfigurationError("kafka.security.password_file", [f"{security.password_file} is not UTF-8"]) from None


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
