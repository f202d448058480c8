"""Looks at the stream from beside it: membership, age of the backlog, lag of each partition, state of the batcher."""

import asyncio
import time

import structlog
from aiokafka.errors import KafkaError

from worker.batcher import Batcher
from worker.consumer import GroupConsumer
from worker.message import Message
from worker.recorder import Recorder

log = structlog.get_logger(__name__)

INTERVAL_SECONDS = 2.0


async def watch_backlog(consumer: GroupConsumer, batcher: Batcher[Message], recorder: Recorder) -> None:
    """Report how far behind this worker is, for ever."""
    metrics = recorder.metrics
    while True:
        now = time.monotonic()
        recorder.assignment(consumer.joined)
        recorder.batcher_state(batcher.state(now))
        oldest = [partition.oldest for partition in consumer.partitions if partition.oldest is not None]
        metrics.oldest_in_flight_age_seconds.set(now - min((delivered_at for delivered_at, _ in oldest), default=now))
        try:
            lag = await consumer.lag_records()
        except (KafkaError, TimeoutError) as error:
            recorder.brokers_answer(False, type(error).__name__)
        else:
            recorder.brokers_answer(True)
            for partition, records in lag.items():
                labels = (partition.topic, str(partition.number))
                timestamp_ms = partition.oldest[1] if partition.oldest else 0
                seconds = max(0.0, time.time() - timestamp_ms / 1000) if timestamp_ms > 0 else 0.0
                metrics.partition_lag_records.labels(*labels).set(records)
                metrics.partition_lag_seconds.labels(*labels).set(seconds)
        await asyncio.sleep(INTERVAL_SECONDS)
