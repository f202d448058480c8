import ssl
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from schemas.kafka_settings import KafkaSettings
from worker.errors import ConfigurationError
from worker.kafka.client_options import client_options, consumer_options, producer_options


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
