"""The one place that turns settings into aiokafka arguments, and aiokafka's log into a reason."""

import logging
import ssl
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import (
    IllegalSaslStateError,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.helpers import create_ssl_context
from pydantic import SecretStr

from schemas.kafka_settings import KafkaSettings, SecuritySettings
from worker.config import ConfigurationError, read_file

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
        "partition_assignment_strategy": (RangePartitionAssignor,),
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


class FailureKind(StrEnum):
    """What kept a client from connecting."""

    TLS = "tls"
    AUTHENTICATION = "authentication"
    CLOSED = "closed"
    UNREACHABLE = "unreachable"


_ADVICE = {
    FailureKind.TLS: "check kafka.security.ca_file, and that the brokers' certificate names the host",
    FailureKind.AUTHENTICATION: "check kafka.security.sasl_mechanism, username and password",
    FailureKind.CLOSED: "it hung up: check kafka.security.protocol against its port, and the client certificate",
    FailureKind.UNREACHABLE: "check kafka.bootstrap_servers, the network, and that the broker runs",
}


@dataclass(frozen=True, slots=True)
class ConnectionFailure:
    """Why a broker could not be used. `permanent`: no waiting helps, people must change something."""

    kind: FailureKind
    detail: str

    @property
    def permanent(self) -> bool:
        return self.kind in (FailureKind.TLS, FailureKind.AUTHENTICATION)

    @property
    def advice(self) -> str:
        return _ADVICE[self.kind]

    def __str__(self) -> str:
        return f"{self.detail} ({self.advice})"


@dataclass(slots=True)
class ConnectionLog:
    """Failures seen so far, oldest first."""

    failures: list[ConnectionFailure] = field(default_factory=list)

    @property
    def failure(self) -> ConnectionFailure | None:
        """The failure that says most: a refused login before a broker that is merely away."""
        return min(self.failures, key=lambda failure: list(FailureKind).index(failure.kind), default=None)


@contextmanager
def connection_log() -> Iterator[ConnectionLog]:
    """Collects why connections fail inside the block: aiokafka raises one error for every cause, and logs the cause."""
    collected = ConnectionLog()
    handler = _Collector(collected)
    logger = logging.getLogger("aiokafka")
    logger.addHandler(handler)
    try:
        yield collected
    finally:
        logger.removeHandler(handler)


class _Collector(logging.Handler):
    def __init__(self, collected: ConnectionLog) -> None:
        super().__init__(logging.WARNING)
        self._collected = collected

    def emit(self, record: logging.LogRecord) -> None:
        cause = record.args[-1] if isinstance(record.args, tuple) and record.args else None
        if isinstance(cause, OSError | KafkaError):
            broker = ":".join(str(part) for part in record.args[:-1]) if isinstance(record.args, tuple) else ""
            self._collected.failures.append(ConnectionFailure(_kind(cause), f"broker {broker}: {_reason(cause)}"))


def _kind(cause: OSError | KafkaError) -> FailureKind:
    if isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError | ConnectionResetError):
        return FailureKind.CLOSED
    if isinstance(cause, ssl.SSLError):
        return FailureKind.TLS
    if isinstance(cause, SaslAuthenticationFailed | UnsupportedSaslMechanismError | IllegalSaslStateError):
        return FailureKind.AUTHENTICATION
    if isinstance(cause, KafkaConnectionError) and "closed" in str(cause):
        return FailureKind.CLOSED
    return FailureKind.UNREACHABLE


def _reason(cause: OSError | KafkaError) -> str:
    if isinstance(cause, UnsupportedSaslMechanismError):
        return "it does not offer this SASL mechanism"
    return str(cause) or "no answer within kafka.request_timeout_seconds"


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
