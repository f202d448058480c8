"""Committing the watermarks of an assignment, with what happens when a commit fails or arrives too late."""

import asyncio
import time
from collections.abc import Mapping

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError, KafkaError
from aiokafka.structs import OffsetAndMetadata

from worker.errors import BrokerRefusalError
from worker.in_flight.partition import Partition
from worker.kafka.error_mapping import Operation, Remedy, judge
from worker.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

COMMIT_AGAIN_SECONDS = 120.0
"""How long after a failed commit the same offsets are committed again. A commit that was given up may still lie in a
sender's buffer; the group coordinator takes it whenever it comes, and an idle stream would stay at its old offset."""


class OffsetCommits:
    """Commits one at a time: two on their way at once might arrive in the other order."""

    def __init__(self, group_id: str, timeout_seconds: float, metrics: Metrics) -> None:
        self._group_id = group_id
        self._timeout_seconds = timeout_seconds
        self._metrics = metrics
        self._lock = asyncio.Lock()
        self._fails = False
        self._again_until = 0.0

    async def commit(self, client: AIOKafkaConsumer, assigned: Mapping[TopicPartition, Partition]) -> bool:
        """Commit every watermark that moved and every mark that is due; says whether that succeeded.

        A failure is logged once and met again at the next commit.

        Raises:
            BrokerRefusalError: the brokers will never take it: all that is published would be published again one day.
        """
        async with self._lock:
            again = time.monotonic() < self._again_until
            due = {tp: each for tp, each in assigned.items() if not each.revoked and (again or _is_due(each))}
            return await self._commit(client, due) if due else True

    async def _commit(self, client: AIOKafkaConsumer, due: Mapping[TopicPartition, Partition]) -> bool:
        commits = [
            (partition, partition.tracker.watermark, partition.tracker.position, partition.mark())
            for partition in due.values()
        ]
        offsets = {
            topic_partition: OffsetAndMetadata(offset, mark.encode())
            for topic_partition, (_, offset, _, mark) in zip(due, commits, strict=True)
        }
        began_at = time.monotonic()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await client.commit(offsets)
        except (KafkaError, TimeoutError) as error:
            # After an eviction this is normal: the new owner gets the records again from the last commit.
            evicted = isinstance(error, CommitFailedError)
            self._metrics.commit_failures.labels(type(error).__name__).inc()
            topics = sorted({topic_partition.topic for topic_partition in due})
            judgement = judge(error, Operation.COMMIT, topics=topics, group_id=self._group_id)
            if judgement.remedy is Remedy.END:
                raise BrokerRefusalError(f"committing offsets: {judgement.words}") from error
            if not self._fails:
                log.warning("commits fail", evicted=evicted, error=judgement.words, partitions=len(offsets))
            self._fails = True
            self._again_until = time.monotonic() + COMMIT_AGAIN_SECONDS
            return False
        if self._fails:
            log.info("commits succeed again")
        self._fails = False
        self._metrics.commit_duration_seconds.observe(time.monotonic() - began_at)
        for partition, offset, position, mark in commits:
            partition.tracker.committed(offset)
            partition.suspects.written(mark, position)
        return True


def _is_due(partition: Partition) -> bool:
    return partition.tracker.uncommitted is not None or partition.suspects.due(partition.tracker.position)
