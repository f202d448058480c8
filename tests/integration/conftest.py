"""One broker for the whole run, and one that wants logins: tests keep apart by unique topic and group names."""

from collections.abc import Iterator

import pytest
from support.forked_process import start_server
from support.guarded_kafka import Guarded, guarded_kafka

from worker.demo.local_kafka import LocalKafka


@pytest.fixture(scope="session", autouse=True)
def _forks() -> None:
    start_server()


@pytest.fixture(scope="session")
def kafka() -> Iterator[LocalKafka]:
    """A running Apache Kafka with one broker. Tests that stop or kill it start their own instead."""
    with LocalKafka() as running:
        yield running


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """One that demands certificates, logins and rights."""
    with guarded_kafka(tmp_path_factory.mktemp("certificates")) as running:
        yield running
