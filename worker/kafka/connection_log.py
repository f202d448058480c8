"""Why brokers could not be used: aiokafka raises one error for every cause, and logs the cause."""

import logging
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum

from aiokafka.errors import (
    IllegalSaslStateError,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)


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
            self._collected.failures.append(connection_failure(cause, broker))


def connection_failure(cause: OSError | KafkaError, broker: str) -> ConnectionFailure:
    """Why `broker` could not be used, of what was raised when connecting."""
    return ConnectionFailure(_kind(cause), f"broker {broker}: {_reason(cause)}")


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
