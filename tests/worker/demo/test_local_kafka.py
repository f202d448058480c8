import asyncio
import os
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka.errors import KafkaConnectionError
from support.kafka import create_topic, produce, read_all, wait_for_records
from support.tls import Certificates, make_certificates

from worker.demo.kafka_jars import LocalKafkaError
from worker.demo.kafka_properties import FAST_FAILOVER, Listener
from worker.demo.local_kafka import LocalKafka

pytestmark = pytest.mark.integration

SCRAM = {"sasl.enabled.mechanisms": "SCRAM-SHA-512"}
SCRAM_LOGIN = "org.apache.kafka.common.security.scram.ScramLoginModule required;"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def kafka(certificates: Certificates) -> Iterator[LocalKafka]:
    tls = {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(certificates.broker_store),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(certificates.ca),
    }
    listeners = {
        "MUTUAL": Listener("SSL", {**tls, "ssl.client.auth": "required"}),
        "LOGIN": Listener("SASL_SSL", {**tls, **SCRAM, "scram-sha-512.sasl.jaas.config": SCRAM_LOGIN}),
    }
    with LocalKafka(properties=FAST_FAILOVER, listeners=listeners, scram_users={"alice": "correct horse"}) as running:
        yield running


async def test_records_outlive_a_clean_restart_and_a_kill(kafka: LocalKafka) -> None:
    topic = await create_topic(kafka.bootstrap_servers)
    await produce(kafka.bootstrap_servers, topic, [b"before"])

    await asyncio.to_thread(kafka.stop_broker, 1)
    await asyncio.to_thread(kafka.start_broker, 1)
    await produce(kafka.bootstrap_servers, topic, [b"between"])
    await asyncio.to_thread(kafka.kill_broker, 1)
    await asyncio.to_thread(kafka.start_broker, 1)

    assert [record.value for record in await read_all(kafka.bootstrap_servers, topic)] == [b"before", b"between"]


async def test_a_frozen_broker_answers_again_once_thawed(kafka: LocalKafka) -> None:
    topic = await create_topic(kafka.bootstrap_servers)
    kafka.freeze_broker(1)
    sending = asyncio.create_task(produce(kafka.bootstrap_servers, topic, [b"x"]))
    await asyncio.sleep(1)
    assert not sending.done()
    kafka.thaw_broker(1)
    assert len(await sending) == 1


async def test_mutual_tls_wants_a_client_certificate(kafka: LocalKafka, certificates: Certificates) -> None:
    topic = await create_topic(kafka.bootstrap_servers)
    context = ssl.create_default_context(cafile=str(certificates.ca))
    with pytest.raises(KafkaConnectionError):
        await produce(kafka.bootstrap("MUTUAL"), topic, [b"x"], security_protocol="SSL", ssl_context=context)

    context.load_cert_chain(certificates.client_certificate, certificates.client_key)
    await produce(kafka.bootstrap("MUTUAL"), topic, [b"x"], security_protocol="SSL", ssl_context=context)
    assert len(await wait_for_records(kafka.bootstrap_servers, topic, 1)) == 1


@pytest.mark.parametrize(("password", "welcome"), [("correct horse", True), ("wrong", False)])
async def test_scram_users_log_in_with_their_password_only(
    kafka: LocalKafka, certificates: Certificates, password: str, welcome: bool
) -> None:
    topic = await create_topic(kafka.bootstrap_servers)
    login = {
        "security_protocol": "SASL_SSL",
        "ssl_context": ssl.create_default_context(cafile=str(certificates.ca)),
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "alice",
        "sasl_plain_password": password,
    }
    if welcome:
        assert len(await produce(kafka.bootstrap("LOGIN"), topic, [b"x"], **login)) == 1
    else:
        with pytest.raises(KafkaConnectionError):
            await produce(kafka.bootstrap("LOGIN"), topic, [b"x"], **login)


def test_a_running_broker_is_not_started_twice(kafka: LocalKafka) -> None:
    with pytest.raises(ValueError, match="broker 1 is running"):
        kafka.start_broker(1)


@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of aiokafka: it may leave a connection
# attempt to the dead broker unclosed when a client is stopped
async def test_three_brokers_serve_on_while_one_is_killed() -> None:
    def start() -> LocalKafka:
        kafka = LocalKafka(3, properties=FAST_FAILOVER)
        kafka.start()
        return kafka

    kafka = await asyncio.to_thread(start)
    try:
        topic = await create_topic(kafka.bootstrap_servers, partitions=3, replicas=3)
        await asyncio.to_thread(kafka.kill_broker, 2)
        await produce(kafka.bootstrap_servers, topic, [b"%d" % n for n in range(30)], enable_idempotence=True)
        await asyncio.to_thread(kafka.start_broker, 2)
        assert len(await read_all(kafka.bootstrap_servers, topic)) == 30
    finally:
        await asyncio.to_thread(kafka.stop)


def test_a_broker_that_cannot_start_shows_the_end_of_its_log_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    store = {"ssl.keystore.type": "PEM", "ssl.keystore.location": "/absent.pem"}
    with pytest.raises(LocalKafkaError, match=r"(?s)broker 1 ended with status 1.*/absent\.pem"):
        LocalKafka(listeners={"TLS": Listener("SSL", store)}).start()
    assert os.listdir(tmp_path) == []


def test_settings_the_broker_refuses_are_shown() -> None:
    with pytest.raises(LocalKafkaError, match=r"cannot format .*\n.*num\.io\.threads: Value must be at least 1"):
        LocalKafka(properties={"num.io.threads": "-1"}).start()
