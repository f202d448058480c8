import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaConnectionError, SaslAuthenticationFailed

from schemas.kafka_settings import KafkaSettings
from worker.errors import ConfigurationError
from worker.kafka.client_options import client_options, consumer_options, producer_options
from worker.kafka.connection_log import FailureKind, connection_log


def settings(**written: Any) -> KafkaSettings:
    return KafkaSettings.model_validate({"bootstrap_servers": ["127.0.0.1:9092"], **written})


def login(**written: Any) -> KafkaSettings:
    return settings(
        security={"protocol": "SASL_PLAINTEXT", "sasl_mechanism": "SCRAM-SHA-256", "username": "worker", **written}
    )


async def test_aiokafka_takes_every_option() -> None:
    consumer = AIOKafkaConsumer(**consumer_options(login(password="secret")))
    producer = AIOKafkaProducer(**producer_options(login(password="secret"), record_limits=[1000]))
    admin = AIOKafkaAdminClient(**client_options(login(password="secret")))
    await consumer.stop()
    await producer.stop()
    await admin.close()


def test_offsets_are_never_committed_behind_our_back() -> None:
    options = consumer_options(settings(auto_offset_reset="latest", session_timeout_seconds=12.5))
    assert options["enable_auto_commit"] is False
    assert options["auto_offset_reset"] == "none"
    assert options["session_timeout_ms"] == 12_500
    assert len(options["partition_assignment_strategy"]) == 1


def test_a_member_is_static_only_where_it_is_named() -> None:
    assert consumer_options(settings())["group_instance_id"] is None
    assert consumer_options(settings(group_instance_id="worker-0"))["group_instance_id"] == "worker-0"


def test_a_producer_is_idempotent_and_sends_no_batch_that_its_topics_refuse() -> None:
    options = producer_options(settings(), record_limits=[1000, 5000])
    assert options["enable_idempotence"] is True
    assert (options["max_request_size"], options["max_batch_size"]) == (5000, 1000)


def test_a_password_may_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text(" sécret \n")
    assert client_options(login(password_file=path))["sasl_plain_password"] == " sécret "


def test_a_password_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="missing: cannot be read: No such file"):
        client_options(login(password_file=tmp_path / "missing"))
    (tmp_path / "binary").write_bytes(b"\xff")
    with pytest.raises(ConfigurationError, match=r"kafka\.security\.password_file: .*binary is not UTF-8"):
        client_options(login(password_file=tmp_path / "binary"))


def test_a_certificate_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "no.pem").write_text("no certificate")
    with pytest.raises(ConfigurationError, match=r"kafka\.security\.ca_file: .*missing\.pem is no readable file"):
        client_options(settings(security={"protocol": "SSL", "ca_file": tmp_path / "missing.pem"}))
    with pytest.raises(ConfigurationError, match=r"kafka\.security\.ca_file: .*no\.pem is no PEM"):
        client_options(settings(security={"protocol": "SSL", "ca_file": tmp_path / "no.pem"}))
    files = {"certificate_file": tmp_path / "no.pem", "key_file": tmp_path / "no.pem"}
    with pytest.raises(ConfigurationError, match=r"kafka\.security\.certificate_file: .*is key_password right"):
        client_options(settings(security={"protocol": "SSL", **files}))


def test_tls_checks_the_brokers_certificate_and_name() -> None:
    context: ssl.SSLContext = client_options(settings(security={"protocol": "SSL"}))["ssl_context"]
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname


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


async def failure_to_connect(kafka: KafkaSettings) -> FailureKind:
    admin = AIOKafkaAdminClient(**client_options(kafka))
    with connection_log() as connections:
        try:
            with pytest.raises(KafkaConnectionError):
                await admin.start()
        finally:
            await admin.close()
    assert connections.failure is not None
    return connections.failure.kind


async def test_a_port_that_speaks_something_else_is_told_from_one_where_nobody_listens(hanging_up: str) -> None:
    assert await failure_to_connect(settings(bootstrap_servers=[hanging_up])) == FailureKind.CLOSED
    assert await failure_to_connect(settings(bootstrap_servers=["127.0.0.1:1"])) == FailureKind.UNREACHABLE
