import socket

import pytest
from typer.testing import CliRunner

from worker.cli import app
from worker.commands.kafka import parse_topics
from worker.errors import ConfigurationError


@pytest.mark.parametrize(
    ("written", "topics"),
    [
        ("", {}),
        ("a", {"a": 1}),
        ("a:4, b ,c:1,", {"a": 4, "b": 1, "c": 1}),
        ("tickets.dead-letters:6", {"tickets.dead-letters": 6}),
    ],
)
def test_topics_are_names_with_partitions(written: str, topics: dict[str, int]) -> None:
    assert parse_topics(written) == topics


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("a b", "is no Kafka topic name"),
        ("a:0", "'a:0': write name:partitions"),
        ("a:x", "'a:x': write name:partitions"),
        ("a:1:2", "'a:1:2': write name:partitions"),
        ("a,a:2", "names 'a' twice"),
        (":3", "is no Kafka topic name"),
    ],
)
def test_a_topic_that_cannot_be_is_refused(written: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        parse_topics(written)


def test_a_port_that_is_taken_is_named_with_the_option() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        result = CliRunner().invoke(app, ["kafka", "--port", port])
    assert result.exit_code == 1
    assert f"port {port} is taken: choose another with --port" in result.output
