import asyncio
import logging
import ssl
from collections.abc import AsyncIterator

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaConnectionError, SaslAuthenticationFailed

from schemas.kafka_settings import KafkaSettings
from worker.kafka.client_options import client_options
from worker.kafka.connection_log import FailureKind, connection_log


@pytest.mark.parametrize(
    ("cause", "kind", "permanent"),
    [
        (ssl.SSLCertVerificationError("certificate verify failed"), FailureKind.TLS, True),
        (ssl.SSLEOFError("EOF occurred"), FailureKind.CLOSED, False),
        (SaslAuthenticationFailed("Invalid username or password"), FailureKind.AUTHENTICATION, True),
        (KafkaConnectionError("Connection at kafka:9092 closed"), FailureKind.CLOSED, False),
        (ConnectionRefusedError("refused"), FailureKind.UNREACHABLE, False),
        (TimeoutError(), FailureKind.UNREACHABLE, False),
    ],
)
def test_the_cause_in_aiokafkas_log_becomes_the_kind_of_failure(
    cause: Exception, kind: FailureKind, permanent: bool
) -> None:
    with connection_log() as connections:
        logging.getLogger("aiokafka.client").error('Unable connect to "%s:%s": %s', "kafka", 9092, cause)
    failure = connections.failure
    assert failure is not None
    assert (failure.kind, failure.permanent) == (kind, permanent)
    assert failure.detail.startswith("broker kafka:9092: ")
    assert failure.advice in str(failure)


def test_a_refused_login_says_more_than_a_broker_that_is_away() -> None:
    log = logging.getLogger("aiokafka")
    with connection_log() as connections:
        log.error('Unable connect to "%s:%s": %s', "a", 1, ConnectionRefusedError())
        log.error('Unable connect to "%s:%s": %s', "b", 1, SaslAuthenticationFailed())
        log.error("Unable to update metadata from %s", [1, 2])
    assert connections.failure is not None
    assert connections.failure.kind == FailureKind.AUTHENTICATION
    assert len(connections.failures) == 2


def test_what_is_logged_outside_the_block_is_not_collected() -> None:
    with connection_log() as connections:
        pass
    logging.getLogger("aiokafka").error('Unable connect to "%s:%s": %s', "a", 1, ConnectionRefusedError())
    assert connections.failure is None


@pytest.fixture
async def hanging_up() -> AsyncIterator[str]:
    """Address of a server that ends every connection at its first bytes."""

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    yield f"{host}:{port}"
    server.close()


async def failure_to_connect(server: str) -> FailureKind:
    admin = AIOKafkaAdminClient(**client_options(KafkaSettings(bootstrap_servers=[server])))
    with connection_log() as connections:
        try:
            with pytest.raises(KafkaConnectionError):
                await admin.start()
        finally:
            await admin.close()
    assert connections.failure is not None
    return connections.failure.kind


async def test_a_port_that_speaks_something_else_is_told_from_one_where_nobody_listens(hanging_up: str) -> None:
    assert await failure_to_connect(hanging_up) == FailureKind.CLOSED
    assert await failure_to_connect("127.0.0.1:1") == FailureKind.UNREACHABLE
