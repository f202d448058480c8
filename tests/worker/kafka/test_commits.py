"""Commits without a broker: which failures are met again, and which end the worker."""

from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError, KafkaError, OffsetMetadataTooLargeError, TopicAuthorizationFailedError
from structlog.testing import capture_logs
from support.records import consumer_record

from worker.errors import BrokerRefusalError
from worker.in_flight.partition import Partition
from worker.kafka.commits import OffsetCommits
from worker.telemetry.metrics import Metrics

IN_0 = TopicPartition("in", 0)


class Client:
    """Commits, unless it is told to fail."""

    def __init__(self) -> None:
        self.error: KafkaError | None = None
        self.committed: list[int] = []

    async def commit(self, offsets: dict[TopicPartition, Any]) -> None:
        if self.error is not None:
            raise self.error
        self.committed.append(offsets[IN_0].offset)


@pytest.fixture
def assigned() -> dict[TopicPartition, Partition]:
    partition: Partition[Any] = Partition("in", 0, epoch=1, next_offset=5)
    partition.tracker.deliver(consumer_record(offset=5).offset)
    partition.tracker.complete(5)
    return {IN_0: partition}


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OffsetMetadataTooLargeError(), "offset.metadata.max.bytes"),
        (TopicAuthorizationFailedError({"in"}), "allow this user to describe and read topic 'in'"),
    ],
)
async def test_an_offset_that_brokers_will_never_take_ends_the_worker_with_what_to_change(
    assigned: dict[TopicPartition, Partition], error: KafkaError, words: str
):
    client = Client()
    client.error = error
    with pytest.raises(BrokerRefusalError, match=words):
        await OffsetCommits("group", 1.0, Metrics()).commit(client, assigned)  # pyright: ignore[reportArgumentType]
    assert assigned[IN_0].tracker.uncommitted == 6


async def test_a_commit_that_may_succeed_later_is_met_again(assigned: dict[TopicPartition, Partition]):
    client, commits = Client(), OffsetCommits("group", 1.0, Metrics())
    client.error = CommitFailedError()
    with capture_logs() as logs:
        assert not await commits.commit(client, assigned)  # pyright: ignore[reportArgumentType]
        assert not await commits.commit(client, assigned)  # pyright: ignore[reportArgumentType]
    assert [entry["event"] for entry in logs] == ["commits fail"]
    client.error = None
    assert await commits.commit(client, assigned)  # pyright: ignore[reportArgumentType]
    assert client.committed == [6]
