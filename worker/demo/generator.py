"""Sends the demo's messages at their intended times, whether or not the worker keeps up; counts acknowledgements."""

import asyncio
import time
from collections.abc import Callable, Iterable

from aiokafka import AIOKafkaProducer
from aiokafka.structs import RecordMetadata

from worker.demo.messages import DemoMessage
from worker.errors import WorkerError

Acknowledged = Callable[[int, int], None]
"""Called with partition and offset of a record that the broker has acknowledged."""

_ACKNOWLEDGE_SECONDS = 30.0


class GeneratorError(WorkerError):
    """The broker did not take a message."""


async def generate(
    bootstrap_servers: str,
    topic: str,
    messages: Iterable[DemoMessage],
    *,
    acknowledged: Acknowledged,
    stop: asyncio.Event,
) -> int:
    """Produce until the messages end or `stop` is set; returns how many were sent, all of them acknowledged.

    A record's timestamp is its intended time, so that a latency counts the waiting before a late send, too. Raises
    GeneratorError when the broker refuses a message or does not acknowledge the last ones within 30 s.
    """
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, enable_idempotence=True)
    pending: set[asyncio.Future[RecordMetadata]] = set()
    refused: list[BaseException] = []

    def settled(future: asyncio.Future[RecordMetadata]) -> None:
        pending.discard(future)
        if future.cancelled():
            refused.append(GeneratorError("the producer ended before the acknowledgement"))
        elif error := future.exception():
            refused.append(error)
        else:
            acknowledged(future.result().partition, future.result().offset)

    sent = 0
    try:
        await producer.start()
        start, start_ms = time.monotonic(), time.time() * 1000
        for message in messages:
            await _sleep_until(start + message.at_seconds, stop)
            if stop.is_set() or refused:
                break
            future = await producer.send(
                topic,
                message.value,
                key=message.key,
                headers=message.headers,
                timestamp_ms=int(start_ms + message.at_seconds * 1000),
            )
            sent += 1
            pending.add(future)
            future.add_done_callback(settled)
        if pending:
            await asyncio.wait(pending, timeout=_ACKNOWLEDGE_SECONDS)
    finally:
        await asyncio.wait_for(producer.stop(), _ACKNOWLEDGE_SECONDS)
    if refused:
        raise GeneratorError(f"{topic}: the broker did not take a message: {refused[0]!r}") from refused[0]
    if pending:
        raise GeneratorError(f"{topic}: {len(pending)} messages unacknowledged after {_ACKNOWLEDGE_SECONDS:.0f} s")
    return sent


async def _sleep_until(moment: float, stop: asyncio.Event) -> None:
    seconds = moment - time.monotonic()
    if seconds <= 0:
        await asyncio.sleep(0)  # behind schedule: let acknowledgements and the view have their turn
        return
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
