"""Writes the inputs of a run at a steady rate and remembers what the brokers have acknowledged."""

import asyncio
import json
import random
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, KafkaTimeoutError
from support.faults.history import Input

KEYS = 24
OUTSTANDING_LIMIT = 2_000
STOP_SECONDS = 30.0
LARGEST_REQUEST_BYTES = 32 * 1024 * 1024
UUID_HEADER, KEY_HEADER, SEQUENCE_HEADER = "uuid", "key", "sequence"

Value = Callable[[random.Random, str], bytes | None]
"""random, uuid → the record's value"""


@dataclass(frozen=True, slots=True)
class Written:
    """What is known of a record before its acknowledgement."""

    uuid: str
    key: str
    sequence: int
    written_at: float


def ticket(rng: random.Random, identity: str) -> bytes:
    """A message of one of two tenants; one in thirty of a tenant that nobody knows, to become a dead letter."""
    return _message(rng, identity, "nobody" if rng.random() < 1 / 30 else rng.choice(("shop", "forum")))


def sound_ticket(rng: random.Random, identity: str) -> bytes:
    """A message that becomes no dead letter."""
    return _message(rng, identity, rng.choice(("shop", "forum")))


def _message(rng: random.Random, identity: str, tenant: str) -> bytes:
    text = f"message {identity} " + "that takes the model a little while " * rng.randrange(6)
    return json.dumps({"text": text, "tenant": tenant}).encode()


class Oracle:
    """Writes `rate` records a second, each key's in order to one partition, until it is stopped.

    `acknowledged` holds what may not be lost; a send that failed may or may not be in the log (`unknown` counts them).
    `value` may be changed at any time.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        topic: str,
        partitions: int,
        rng: random.Random,
        *,
        rate: float = 100.0,
        value: Value = ticket,
        keys: str = "key",
    ) -> None:
        self.acknowledged: list[Input] = []
        self.unknown = 0
        self._create = partial(
            AIOKafkaProducer,
            bootstrap_servers=bootstrap_servers,
            enable_idempotence=True,
            request_timeout_ms=10_000,
            max_request_size=LARGEST_REQUEST_BYTES,
        )
        self._topic = topic
        self._partitions = partitions
        self.value = value
        self._rng = rng
        self._interval_seconds = 1 / rate
        self._keys = [f"{keys}-{number}" for number in range(KEYS)]
        self._sequences = dict.fromkeys(self._keys, 0)
        self._outstanding: set[asyncio.Future[object]] = set()
        self._failed = False

    async def run(self) -> None:
        """Write until cancelled."""
        producer = await self._started()
        due = time.monotonic()
        try:
            while True:
                due = max(due + self._interval_seconds, time.monotonic() - 1.0)
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                if self._failed:
                    # An idempotent producer whose send failed refuses that partition for ever.
                    await self._stop(producer)
                    producer, self._failed = await self._started(), False
                while len(self._outstanding) >= OUTSTANDING_LIMIT:
                    await asyncio.wait(self._outstanding, return_when=asyncio.FIRST_COMPLETED)
                await self._write(producer)
        finally:
            await self._stop(producer)

    async def write(self, count: int) -> None:
        """Write so many and wait for their acknowledgements."""
        producer = await self._started()
        try:
            for _ in range(count):
                await self._write(producer)
        finally:
            await self._stop(producer)

    async def _write(self, producer: AIOKafkaProducer) -> None:
        number = self._rng.randrange(KEYS)
        key = self._keys[number]
        identity = str(uuid.UUID(int=self._rng.getrandbits(128), version=4))
        written = Written(identity, key, self._sequences[key], time.time())
        self._sequences[key] += 1
        try:
            future = await producer.send(
                self._topic,
                self.value(self._rng, identity),
                key=key.encode(),
                partition=number % self._partitions,
                headers=[
                    (UUID_HEADER, identity.encode()),
                    (KEY_HEADER, key.encode()),
                    (SEQUENCE_HEADER, b"%d" % written.sequence),
                ],
            )
        except KafkaTimeoutError:  # the partition's buffer stayed full: the record was never taken into it
            return
        self._outstanding.add(future)
        future.add_done_callback(partial(self._done, written))

    def _done(self, written: Written, future: "asyncio.Future[object]") -> None:
        self._outstanding.discard(future)
        if future.cancelled() or future.exception() is not None:
            self._failed = True
            self.unknown += 1
            return
        where = future.result()
        source = (where.topic, where.partition, where.offset)  # pyright: ignore[reportAttributeAccessIssue]
        self.acknowledged.append(Input(source, written.key, written.sequence, written.uuid, written.written_at))

    async def _started(self) -> AIOKafkaProducer:
        while True:
            producer = self._create()
            try:
                await producer.start()
                return producer
            except KafkaError:
                await producer.stop()
                await asyncio.sleep(0.5)

    async def _stop(self, producer: AIOKafkaProducer) -> None:
        await asyncio.wait_for(producer.stop(), STOP_SECONDS)
