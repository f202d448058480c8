"""The server properties of the embedded Kafka: KRaft, broker and controller in one process, loopback only."""

import random
import socket
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

PLAINTEXT = "PLAINTEXT"  # the listener that is always there: between brokers, and what `bootstrap_servers` names
CONTROLLER = "CONTROLLER"

# A killed broker is fenced after 3 s instead of 9 s. On a machine under load a living one may be, too.
FAST_FAILOVER: Mapping[str, str] = {"broker.session.timeout.ms": "3000", "broker.heartbeat.interval.ms": "500"}

_FIRST_PORT, _LAST_PORT = 20_000, 32_000  # below the range from which the kernel takes ports for outgoing connections


@dataclass(frozen=True, slots=True)
class Listener:
    """One more listener on every broker, beside the plain one.

    `security_protocol` is Kafka's (PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL); `properties` are written with the prefix
    `listener.name.<name>.`. `advertised_ports` (one per broker) is where clients are sent instead of the listener's own
    ports: a proxy in between.
    """

    security_protocol: str = PLAINTEXT
    properties: Mapping[str, str] = field(default_factory=dict)
    advertised_ports: tuple[int, ...] | None = None


def free_ports(count: int) -> list[int]:
    """`count` different loopback ports nobody listens on just now."""
    chosen: list[int] = []
    with ExitStack() as held:
        while len(chosen) < count:
            port = random.randint(_FIRST_PORT, _LAST_PORT)
            probe = held.enter_context(socket.socket())
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            chosen.append(port)
    return chosen


def is_free(port: int) -> bool:
    """Whether nobody listens on a loopback port just now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            return False
    return True


def server_properties(
    broker: int,
    *,
    ports: Mapping[int, Mapping[str, int]],
    listeners: Mapping[str, Listener],
    data_directory: Path,
    extra: Mapping[str, str],
) -> dict[str, str]:
    """The properties of broker number `broker`, given every broker's port per listener name; `extra` goes last."""
    own = ports[broker]
    replicas = min(3, len(ports))
    advertised = {name: own[name] for name in own if name != CONTROLLER}
    for name, listener in listeners.items():
        if listener.advertised_ports is not None:
            advertised[name] = listener.advertised_ports[broker - 1]
    protocols = {PLAINTEXT: PLAINTEXT, CONTROLLER: PLAINTEXT}
    protocols |= {name: listener.security_protocol for name, listener in listeners.items()}
    properties = {
        "process.roles": "broker,controller",
        "node.id": str(broker),
        "controller.quorum.voters": ",".join(f"{b}@127.0.0.1:{ports[b][CONTROLLER]}" for b in sorted(ports)),
        "controller.listener.names": CONTROLLER,
        "inter.broker.listener.name": PLAINTEXT,
        "listeners": _addresses(own),
        "advertised.listeners": _addresses(advertised),
        "listener.security.protocol.map": ",".join(f"{name}:{protocol}" for name, protocol in protocols.items()),
        "log.dirs": str(data_directory),
        "auto.create.topics.enable": "false",
        "num.partitions": "6",
        "default.replication.factor": str(replicas),
        "min.insync.replicas": str(max(1, replicas - 1)),
        "offsets.topic.replication.factor": str(replicas),
        "offsets.topic.num.partitions": "5",
        "transaction.state.log.replication.factor": str(replicas),
        "transaction.state.log.min.isr": str(max(1, replicas - 1)),
        "transaction.state.log.num.partitions": "5",
        "share.coordinator.state.topic.replication.factor": str(replicas),
        "share.coordinator.state.topic.min.isr": str(max(1, replicas - 1)),
        "group.initial.rebalance.delay.ms": "0",
        "num.network.threads": "2",
        "num.io.threads": "2",
        "log.cleaner.dedupe.buffer.size": "4194304",
    }
    for name, listener in listeners.items():
        properties |= {f"listener.name.{name.lower()}.{key}": value for key, value in listener.properties.items()}
    return {**properties, **extra}


def properties_file(properties: Mapping[str, str]) -> str:
    """Java's properties format: backslashes doubled, line breaks continued, so that a PEM text may be a value."""
    return "".join(f"{key}={_escaped(value)}\n" for key, value in properties.items())


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n")


def _addresses(ports: Mapping[str, int]) -> str:
    return ",".join(f"{name}://127.0.0.1:{port}" for name, port in ports.items())
