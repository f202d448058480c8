"""When no known broker answers, the bootstrap servers are asked again; they are left alone while one does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.cluster import ClusterMetadata
from aiokafka.errors import KafkaConnectionError, SaslAuthenticationFailed
from aiokafka.protocol.metadata import MetadataRequest, MetadataResponse_v1

from schemas.kafka_settings import KafkaSettings
from worker.kafka import cluster_client
from worker.kafka.cluster_client import ClusterClient
from worker.kafka.credentials import Credentials

TOPIC = (0, "input", False, [(0, 0, 1, [1], [1])])


class Server:
    """A bootstrap server that answers with `brokers`; None: it is away."""

    def __init__(self, brokers: list[tuple[int, str, int, None]] | None, *, mute: bool = False) -> None:
        self.brokers = brokers
        self.mute = mute
        self.password: str | None = None
        self.asked: list[list[str] | None] = []
        self.open = 0

    async def send(self, request: MetadataRequest) -> MetadataResponse_v1:
        self.asked.append(request._topics)
        if self.mute:
            await asyncio.Event().wait()
        return MetadataResponse_v1(self.brokers, 1, [TOPIC])

    def close(self) -> None:
        self.open -= 1


@pytest.fixture
async def servers(monkeypatch: pytest.MonkeyPatch) -> dict[str, Server]:
    reachable: dict[str, Server] = {}

    async def connect(host: str, _port: int, *, sasl_plain_password: str | None = None, **_: object) -> Server:
        if host in reachable and reachable[host].password != sasl_plain_password:
            raise SaslAuthenticationFailed("Invalid username or password")
        if host not in reachable:
            raise KafkaConnectionError("refused")
        reachable[host].open += 1
        return reachable[host]

    monkeypatch.setattr(cluster_client, "create_conn", connect)
    return reachable


@asynccontextmanager
async def client(known_answer: bool, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ClusterClient]:
    async def ask_known(*_: object) -> bool:
        return known_answer

    monkeypatch.setattr(AIOKafkaClient, "_metadata_update", ask_known)
    made = ClusterClient(bootstrap_servers="old:9092,new:9092", request_timeout_ms=50)
    try:
        yield made
    finally:
        await made.close()


async def test_the_next_bootstrap_server_tells_of_brokers_and_topics(servers, monkeypatch: pytest.MonkeyPatch):
    servers["new"] = Server([(1, "new", 9092, None)])
    async with client(False, monkeypatch) as made:
        cluster = ClusterMetadata(metadata_max_age_ms=1000)
        assert await made._metadata_update(cluster, {"input"})
    assert [broker.host for broker in cluster.brokers()] == ["new"]
    assert cluster.partitions_for_topic("input") == {0}
    assert servers["new"].asked == [["input"]]
    assert servers["new"].open == 0


async def test_they_are_left_alone_while_a_known_broker_answers(servers, monkeypatch: pytest.MonkeyPatch):
    servers["new"] = Server([(1, "new", 9092, None)])
    async with client(True, monkeypatch) as made:
        assert await made._metadata_update(ClusterMetadata(metadata_max_age_ms=1000), {"input"})
    assert servers["new"].asked == []


@pytest.mark.parametrize("server", [Server([]), Server([(1, "old", 9092, None)], mute=True)], ids=["empty", "mute"])
async def test_one_that_knows_no_broker_or_says_nothing_is_passed_over_and_closed(
    servers, monkeypatch: pytest.MonkeyPatch, server: Server
):
    servers |= {"old": server, "new": Server([(1, "new", 9092, None)])}
    async with client(False, monkeypatch) as made:
        cluster = ClusterMetadata(metadata_max_age_ms=1000)
        assert await made._metadata_update(cluster, {"input"})
    assert [broker.host for broker in cluster.brokers()] == ["new"]
    assert server.open == 0


async def test_nothing_is_learnt_while_all_are_away(servers, monkeypatch: pytest.MonkeyPatch):
    async with client(False, monkeypatch) as made:
        assert not await made._metadata_update(ClusterMetadata(metadata_max_age_ms=1000), {"input"})
    assert servers == {}


async def test_a_cancelled_question_leaves_no_connection_open(servers, monkeypatch: pytest.MonkeyPatch):
    servers["old"] = Server([], mute=True)
    async with client(False, monkeypatch) as made:
        made._request_timeout_ms = 60_000
        asking = asyncio.create_task(made._metadata_update(ClusterMetadata(metadata_max_age_ms=1000), {"input"}))
        while not servers["old"].asked:
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    assert servers["old"].open == 0


async def test_a_refused_login_is_kept_with_its_time_until_the_replaced_password_is_taken(
    servers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    (file := tmp_path / "password").write_text("before")
    login = {"protocol": "SASL_PLAINTEXT", "sasl_mechanism": "PLAIN", "username": "worker", "password_file": file}
    settings = KafkaSettings.model_validate({"bootstrap_servers": ["new:9092"], "security": login})
    monkeypatch.setattr(ClusterClient, "credentials", Credentials(settings))
    servers["new"] = Server([(1, "new", 9092, None)])
    servers["new"].password = "after"
    cluster = ClusterMetadata(metadata_max_age_ms=1000)
    async with client(False, monkeypatch) as made:
        assert not await made._metadata_update(cluster, {"input"})
        assert (first := made.refused) is not None
        assert "username and password" in first.reason
        assert first.replaceable
        assert not await made._metadata_update(cluster, {"input"})
        assert made.refused is first
        file.write_text("after")
        assert await made._metadata_update(cluster, {"input"})
        assert made.refused is None


async def test_brokers_that_go_away_refuse_nothing_any_more(servers, monkeypatch: pytest.MonkeyPatch):
    servers["new"] = Server([])
    servers["new"].password = "other"
    async with client(False, monkeypatch) as made:
        await made._metadata_update(ClusterMetadata(metadata_max_age_ms=1000), {"input"})
        assert made.refused is not None
        del servers["new"]
        await made._metadata_update(ClusterMetadata(metadata_max_age_ms=1000), {"input"})
        assert made.refused is None
