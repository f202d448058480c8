"""One broker for the whole run: tests keep apart by unique topic and group names."""

from collections.abc import Iterator

import pytest

from worker.demo.local_kafka import LocalKafka


@pytest.fixture(scope="session")
def kafka() -> Iterator[LocalKafka]:
    """A running Apache Kafka with one broker. Tests that stop or kill it start their own instead."""
    with LocalKafka() as running:
        yield running
