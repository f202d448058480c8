import pytest

from schemas.kafka_settings import KafkaSettings
from schemas.settings import DeliverySettings
from worker.kafka.broker_limits import refused_settings

LIMITS = {
    "group.min.session.timeout.ms": 20_000,
    "group.max.session.timeout.ms": 30_000,
    "transaction.max.timeout.ms": 50_000,
}


def refused(session_seconds: float, delivery: DeliverySettings | None = None, limits: dict[str, int] = LIMITS):
    kafka = KafkaSettings(bootstrap_servers=["kafka:9092"], session_timeout_seconds=session_seconds)
    return list(refused_settings(kafka, delivery, limits))


def test_times_within_the_brokers_limits_are_not_refused():
    assert refused(30.0, DeliverySettings()) == []
    assert refused(20.0, DeliverySettings(guarantee="exactly_once", transaction_timeout_seconds=50)) == []


@pytest.mark.parametrize(
    ("session_seconds", "words"),
    [
        (45.0, "kafka.session_timeout_seconds is 45, and the brokers allow at most 30 (group.max.session.timeout.ms)"),
        (
            10.0,
            "kafka.session_timeout_seconds is 10, and the brokers demand at least 20 (group.min.session.timeout.ms)",
        ),
    ],
)
def test_a_session_beyond_them_is_named_with_the_limit(session_seconds: float, words: str):
    (reason,) = refused(session_seconds)
    assert reason.startswith(words)


def test_a_transaction_that_may_take_too_long_is_named_where_there_are_transactions():
    (reason,) = refused(25.0, DeliverySettings(guarantee="exactly_once"))
    assert reason.startswith("delivery.transaction_timeout_seconds is 60, and the brokers allow at most 50")
    assert refused(25.0, DeliverySettings()) == []


def test_limits_that_cannot_be_read_refuse_nothing():
    assert refused(1800.0, DeliverySettings(guarantee="exactly_once"), {}) == []
