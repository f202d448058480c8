"""The systems compared end to end: each a set of processes on topics of its own, given work in turns."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from benchmarks.kafka.peers import Job
from benchmarks.kafka.producer import Plan
from benchmarks.kafka.stream import StreamTopics, create, fill, read_until
from benchmarks.kafka.worker import end, logs, start_module, start_worker, worker_settings, write_policies

PARTITIONS = 6
POLL_SECONDS = 0.25
LEAD_SECONDS = 2.5
READ_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Material:
    """What all systems get alike: checkpoint, tenants with label sets and budgets, texts in order."""

    checkpoint: Path
    labels: dict[str, list[str]]
    budgets_seconds: dict[str, float]
    texts: list[str]
    threads: int | None

    def tenant(self, place: int) -> str:
        """Whose the text at this place is; texts repeat after all have been used."""
        return list(self.labels)[place % len(self.labels)]

    def value(self, number: int, place: int) -> bytes:
        """A record with a number of its own and the text at this place."""
        return orjson.dumps({"id": number, "tenant": self.tenant(place), "text": self.texts[place % len(self.texts)]})


@dataclass(frozen=True, slots=True)
class System:
    """`kind` is worker, or one of the peers; a worker has a dtype, maybe replicas and variables of its own."""

    name: str
    kind: str
    dtype: str = "float32"
    replicas: int = 1
    batch_messages: int = 1
    environment: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Appended:
    """When the broker appended a message's result, in milliseconds, and which text it was."""

    at_ms: int
    place: int


class Running:
    """One system at work, on topics and in a group of its own."""

    def __init__(self, system: System, bootstrap_servers: str, material: Material, folder: Path) -> None:
        """`folder` is for its files; what its parent folder has in `cache` is shared with the other systems."""
        self.system = system
        self._bootstrap_servers = bootstrap_servers
        self._material = material
        self._folder = folder
        self._topics = StreamTopics.unique(PARTITIONS)
        self._watch = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers)
        self._processes: list[subprocess.Popen[bytes]] = []
        self._sent = 0

    async def start(self, warm_up_messages: int, timeout_seconds: float) -> None:
        """Start the processes; returns when each partition's messages have been worked off once."""
        self._folder.mkdir(parents=True)
        await create(self._bootstrap_servers, self._topics)
        await self._watch.start()
        self._processes = self._started()
        await self.work_off(warm_up_messages, timeout_seconds)

    async def work_off(self, count: int, timeout_seconds: float) -> list[Appended]:
        """A backlog of so many messages. Raises RuntimeError for a message without result."""
        first, begin = self._sent, await self._ends()
        values = (self._material.value(first + place, place) for place in range(count))
        await fill(self._bootstrap_servers, self._topics.input, PARTITIONS, values)
        self._sent += count
        appended = await self._appended(first, count, begin, timeout_seconds)
        return [Appended(at_ms, place) for place, at_ms in enumerate(appended)]

    async def keep_up(self, at_seconds: Sequence[float], timeout_seconds: float) -> tuple[float, float]:
        """Messages at intended times, by a producer process: percent in time, and the p99 of the producer's lateness in
        seconds. Latency counts from the intended time to the append of the result."""
        first, begin = self._sent, await self._ends()
        start_ms = int(1000 * (time.time() + LEAD_SECONDS))
        lateness_seconds = await self._produce(first, at_seconds, start_ms)
        self._sent += len(at_seconds)
        appended = await self._appended(first, len(at_seconds), begin, timeout_seconds)
        budgets = [self._material.budgets_seconds[self._material.tenant(place)] for place in range(len(at_seconds))]
        on_time = [
            at_ms - (start_ms + 1000 * at) <= 1000 * budget
            for at_ms, at, budget in zip(appended, at_seconds, budgets, strict=True)
        ]
        return 100 * sum(on_time) / len(on_time), lateness_seconds

    async def stop(self) -> None:
        """End the processes."""
        await self._watch.stop()
        await asyncio.to_thread(end, self._processes)

    def _started(self) -> list[subprocess.Popen[bytes]]:
        system, given, folder = self.system, self._material, self._folder
        if system.kind == "worker":
            policies = write_policies(folder / "policies.yaml", given.labels, given.budgets_seconds)
            model = {"path": str(given.checkpoint), "dtype": system.dtype, "threads": given.threads}
            settings = worker_settings(self._bootstrap_servers, self._topics, policies, model)
            names = [f"worker-{number}" for number in range(system.replicas)]
            environment = dict(system.environment)
            return [start_worker(settings, folder, name, given.threads, environment) for name in names]
        job = folder / "job.json"
        Job(
            self._bootstrap_servers,
            self._topics.input,
            self._topics.output,
            self._topics.prefix,
            str(given.checkpoint),
            given.labels,
            system.batch_messages,
            given.threads,
        ).write(job)
        return [start_module(["benchmarks.kafka.peers", system.kind, "--job", str(job)], folder, "peer", given.threads)]

    async def _produce(self, first: int, at_seconds: Sequence[float], start_ms: int) -> float:
        """Have a process send the messages; the 99% quantile of its lateness in seconds."""
        plan = self._folder / "plan.json"
        values = [self._material.value(first + place, place).decode() for place in range(len(at_seconds))]
        Plan(self._bootstrap_servers, self._topics.input, PARTITIONS, start_ms, list(at_seconds), values).write(plan)
        arguments = [sys.executable, "-m", "benchmarks.kafka.producer", "--plan", str(plan)]
        done = await asyncio.to_thread(subprocess.run, arguments, capture_output=True, check=True)
        return float(json.loads(done.stdout)["lateness_p99_seconds"])

    async def _appended(
        self, first: int, count: int, begin: dict[TopicPartition, int], timeout_seconds: float
    ) -> list[int]:
        """Wait for these results, looking only at the ends of the topics, which costs the broker little; then when each
        was appended first, in milliseconds."""
        until = time.monotonic() + timeout_seconds
        wanted = sum(begin.values()) + count
        while sum((await self._ends()).values()) < wanted:
            if any(process.poll() is not None for process in self._processes):
                raise RuntimeError(f"{self.system.name}: a process ended too soon:\n{logs(self._folder)}")
            if time.monotonic() > until:
                raise RuntimeError(f"{self.system.name}: no {count} results after {timeout_seconds:.0f} s")
            await asyncio.sleep(POLL_SECONDS)
        outputs = {place: offset for place, offset in begin.items() if place.topic == self._topics.output}
        records = await read_until(
            self._bootstrap_servers, (self._topics.output,), PARTITIONS, count, READ_SECONDS, outputs
        )
        found: dict[int, int] = {}
        for record in records:
            number = int(orjson.loads(record.value or b"")["payload"]["id"])
            found[number] = min(record.timestamp, found.get(number, record.timestamp))
        if found.keys() != set(range(first, first + count)):
            raise RuntimeError(f"{self.system.name}: {count - len(found)} of {count} messages have no result")
        return [found[first + place] for place in range(count)]

    async def _ends(self) -> dict[TopicPartition, int]:
        names = (self._topics.output, self._topics.dead_letters)
        return dict(
            await self._watch.end_offsets([TopicPartition(name, n) for name in names for n in range(PARTITIONS)])
        )
