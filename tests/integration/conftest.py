"""One broker for the whole run: tests keep apart by unique topic and group names."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.tiny_checkpoint import write_tiny_checkpoint

from worker.demo.local_kafka import LocalKafka


@pytest.fixture(scope="session")
def kafka() -> Iterator[LocalKafka]:
    """A running Apache Kafka with one broker. Tests that stop or kill it start their own instead."""
    with LocalKafka() as running:
        yield running


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model of which only the path through the worker matters."""
    return write_tiny_checkpoint(tmp_path_factory.mktemp("checkpoint"), architecture="bi-encoder")
