"""Looks at the stream from beside it: membership, backlog, lag, batcher; ends the process at a standstill."""

import asyncio
import sys
import time

import structlog
from aiokafka.errors import KafkaError

from worker.batching.batcher import Batcher
from worker.errors import BrokerRefusalError
from worker.health.stopping import exit_hard
from worker.health.watchdog import Standing, Watchdog
from worker.in_flight.message import Message
from worker.in_flight.partition import Delivered, Partition
from worker.in_flight.record import time_or_none
from worker.kafka.consumer import GroupConsumer
from worker.stream.intake import Intake
from worker.stream.recorder import Recorder

log = structlog.get_logger(__name__)

INTERVAL_SECONDS = 2.0


async def watch_backlog(
    consumer: GroupConsumer, batcher: Batcher[Message], intake: Intake, recorder: Recorder, stuck_seconds: float
) -> None:
    """Report how far behind this worker is, for ever; end the process when it stands still for `stuck_seconds`.

    Brokers that do not answer are no standstill: what waits for them goes on when they are back, and a restart would
    not bring them back. Brokers that refuse the login are waited for as long, if its files may still be replaced.

    Raises BrokerRefusalError: they were not.
    """
    metrics = recorder.metrics
    watchdog = Watchdog(stuck_seconds, longest_look_seconds=stuck_seconds / 4)
    interval_seconds = min(INTERVAL_SECONDS, stuck_seconds / 4)
    while True:
        now = time.monotonic()
        recorder.assignment(consumer.joined)
        recorder.topics_missing(consumer.missing_topics)
        recorder.batcher_state(batcher.state(now))
        metrics.publish_estimate_seconds.set(batcher.publish_seconds)
        oldest = [partition.oldest for partition in consumer.partitions if partition.oldest is not None]
        metrics.oldest_in_flight_age_seconds.set(now - min((delivered.at for delivered in oldest), default=now))
        try:
            lag = await consumer.lag_records()
        except (KafkaError, TimeoutError) as error:
            refused = consumer.login_refused
            recorder.brokers_answer(False, refused.reason if refused else type(error).__name__)
            watchdog.look((), time.monotonic())
        else:
            if (refused := consumer.login_refused) is None:
                recorder.brokers_answer(True)
            else:  # without partitions nothing was asked
                recorder.brokers_answer(False, refused.reason)
            for partition, records in lag.items():
                labels = (partition.topic, str(partition.number))
                seconds = _waiting_seconds(partition.oldest, time.time(), now)
                metrics.partition_lag_records.labels(*labels).set(records)
                metrics.partition_lag_seconds.labels(*labels).set(seconds)
            standings = [_standing(partition, records, consumer, intake) for partition, records in lag.items()]
            if stuck := watchdog.look(standings, time.monotonic()):
                end_at_standstill("; ".join(stuck))
        if refused is not None and refused.is_final(time.monotonic(), stuck_seconds):
            raise BrokerRefusalError(refused.reason)
        await asyncio.sleep(interval_seconds)


def _waiting_seconds(oldest: Delivered | None, wall_seconds: float, now: float) -> float:
    """Since the oldest record's own time; since its delivery where that time cannot be."""
    if oldest is None:
        return 0.0
    since_ms = time_or_none(oldest.timestamp_ms, 1000 * wall_seconds)
    return max(0.0, wall_seconds - since_ms / 1000) if since_ms is not None else max(0.0, now - oldest.at)


def end_at_standstill(reason: str) -> None:
    """Show where every task and thread of the process is, and end it: whoever runs it starts it again."""
    for task in asyncio.all_tasks():
        task.print_stack(file=sys.stderr)
    exit_hard(f"standstill: {reason}", dump_stacks=True)


def _standing(partition: Partition, lag: int, consumer: GroupConsumer, intake: Intake) -> Standing:
    held_back = (not partition.in_flight and consumer.is_paused(partition)) or intake.stands_still(partition)
    return Standing(
        repr(partition),
        in_flight=partition.in_flight,
        lag=lag,
        done=partition.done,
        position=partition.tracker.position,
        excused=partition.blocked or partition.closing or held_back,
    )
