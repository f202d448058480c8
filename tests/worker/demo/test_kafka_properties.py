from pathlib import Path

import pytest

from worker.demo.kafka_properties import Listener, free_ports, properties_file, server_properties

PORTS = {broker: {"PLAINTEXT": 9000 + broker, "CONTROLLER": 9100 + broker} for broker in (1, 2, 3)}


def _properties(broker: int = 1, *, brokers: int = 1, listeners=None, extra=None) -> dict[str, str]:
    ports = {b: dict(PORTS[b]) for b in range(1, brokers + 1)}
    for offset, name in enumerate(listeners or {}):
        for b in ports:
            ports[b][name] = 9200 + 100 * offset + b
    return server_properties(
        broker, ports=ports, listeners=listeners or {}, data_directory=Path("/data"), extra=extra or {}
    )


def test_every_address_is_on_loopback() -> None:
    listeners = {"TLS": Listener("SSL"), "PROXIED": Listener(advertised_ports=(1, 2, 3))}
    properties = _properties(2, brokers=3, listeners=listeners)
    for key in ("listeners", "advertised.listeners"):
        assert all("://127.0.0.1:" in address for address in properties[key].split(","))
    assert all("@127.0.0.1:" in voter for voter in properties["controller.quorum.voters"].split(","))


@pytest.mark.parametrize(("brokers", "replicas", "in_sync"), [(1, "1", "1"), (3, "3", "2")])
def test_replication_fits_the_number_of_brokers(brokers: int, replicas: str, in_sync: str) -> None:
    properties = _properties(brokers=brokers)
    for key in ("default.replication.factor", "offsets.topic.replication.factor"):
        assert properties[key] == replicas
    for key in ("min.insync.replicas", "transaction.state.log.min.isr"):
        assert properties[key] == in_sync


def test_clients_are_sent_to_the_proxy_of_a_proxied_listener() -> None:
    properties = _properties(2, brokers=3, listeners={"PROXIED": Listener(advertised_ports=(7001, 7002, 7003))})
    assert "PROXIED://127.0.0.1:9202" in properties["listeners"]
    assert "PROXIED://127.0.0.1:7002" in properties["advertised.listeners"]
    assert "CONTROLLER" not in properties["advertised.listeners"]


def test_properties_of_a_listener_get_its_prefix() -> None:
    properties = _properties(listeners={"TLS": Listener("SSL", {"ssl.client.auth": "required"})})
    assert properties["listener.name.tls.ssl.client.auth"] == "required"
    assert "TLS:SSL" in properties["listener.security.protocol.map"].split(",")


def test_extra_properties_win() -> None:
    assert _properties(extra={"num.partitions": "1"})["num.partitions"] == "1"


def test_backslashes_and_line_breaks_survive_the_properties_file() -> None:
    assert properties_file({"a": "C:\\x", "pem": "one\ntwo"}) == "a=C:\\\\x\npem=one\\ntwo\n"


def test_free_ports_differ() -> None:
    assert len(set(free_ports(50))) == 50
