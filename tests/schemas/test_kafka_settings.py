from typing import Any

import pytest
from pydantic import ValidationError

from schemas.errors import error_lines
from schemas.kafka_settings import KafkaSettings

LOGIN = {"protocol": "SASL_SSL", "sasl_mechanism": "PLAIN", "username": "worker", "password": "hunter2"}


def lines_of(**written: Any) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        KafkaSettings.model_validate({"bootstrap_servers": ["kafka:9092"], **written})
    return error_lines(caught.value, KafkaSettings)


def test_secrets_are_not_shown_by_repr_dump_or_errors() -> None:
    settings = KafkaSettings.model_validate({"bootstrap_servers": "kafka:1", "security": LOGIN})
    shown = repr(settings) + str(settings) + repr(settings.model_dump()) + settings.model_dump_json()
    assert "hunter2" not in shown
    assert "hunter2" not in "".join(lines_of(security={**LOGIN, "protocol": "SSL"}))


@pytest.mark.parametrize(
    "server", ["kafka", "kafka:", ":9092", "kafka:port", "kafka:70000", "http://kafka:9092", "a b:1", "kafka:9092/x"]
)
def test_a_bootstrap_server_without_host_and_port_is_refused(server: str) -> None:
    (line,) = lines_of(bootstrap_servers=[server])
    assert line == f"bootstrap_servers: {server!r} is no host:port, such as kafka-1:9092"


@pytest.mark.parametrize("server", ["kafka:9092", "10.0.0.1:1", "[::1]:9092", "kafka-1.kafka.svc:65535"])
def test_hosts_addresses_and_ipv6_are_taken(server: str) -> None:
    assert KafkaSettings.model_validate({"bootstrap_servers": server}).bootstrap_servers == [server]


@pytest.mark.parametrize(
    ("security", "line"),
    [
        (
            {"password": "x"},
            "security.password: protocol PLAINTEXT would not use it; set a SASL protocol or remove it",
        ),
        (
            {"ca_file": "ca.pem"},
            "security.ca_file: protocol PLAINTEXT would not use it; set an SSL protocol or remove it",
        ),
        ({"protocol": "SASL_SSL"}, "security.sasl_mechanism: is required by protocol SASL_SSL"),
        (
            {"protocol": "SASL_SSL", "sasl_mechanism": "PLAIN"},
            "security.username: is required by protocol SASL_SSL",
        ),
        (
            {"protocol": "SASL_SSL", "sasl_mechanism": "PLAIN", "username": "a"},
            "security.password: protocol SASL_SSL needs either password or password_file",
        ),
        (
            {**LOGIN, "password_file": "p"},
            "security.password: protocol SASL_SSL needs either password or password_file",
        ),
        (
            {"protocol": "SSL", "certificate_file": "c.pem"},
            "security.certificate_file: needs key_file, and key_file needs it",
        ),
        ({"protocol": "SSL", "key_password": "x"}, "security.key_password: belongs to a key_file, which is not set"),
        (
            {"protocol": "TLS"},
            "security.protocol: Input should be 'PLAINTEXT', 'SSL', 'SASL_PLAINTEXT' or 'SASL_SSL'",
        ),
    ],
)
def test_half_a_login_or_an_unused_one_is_refused(security: dict[str, str], line: str) -> None:
    assert lines_of(security=security) == [line]


def test_three_heartbeats_must_fit_into_a_session() -> None:
    (line,) = lines_of(session_timeout_seconds=10, heartbeat_interval_seconds=4)
    assert line.startswith("heartbeat_interval_seconds: must be at most a third of session_timeout_seconds (10)")


def test_a_drain_must_not_look_like_a_member_that_stopped_polling() -> None:
    (line,) = lines_of(max_poll_interval_seconds=30, rebalance_timeout_seconds=40)
    assert line.startswith("max_poll_interval_seconds: must not be below rebalance_timeout_seconds (40)")


@pytest.mark.parametrize("seconds", [5.9, 1801])
def test_a_session_that_brokers_refuse_is_refused_before(seconds: float) -> None:
    assert lines_of(session_timeout_seconds=seconds)[0].startswith("session_timeout_seconds: Input should be")
