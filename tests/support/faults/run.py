"""One run under faults: topics of its own, an oracle that writes, workers that classify, an observer, a verdict."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from aiokafka.errors import KafkaError
from support.faults.cluster import Cluster
from support.faults.history import Anomaly, History, Input, Output, check
from support.faults.observer import Observer, parse_input, parse_output
from support.faults.oracle import Oracle, Value, ticket
from support.faults.report import Row
from support.faults.worker import fault_worker, slow_down
from support.kafka import create_topic, read_all, unique_name
from support.stream import POLICIES
from support.worker_process import WorkerProcess

PARTITIONS = 6
SECONDS_PER_TEXT = 0.002
SESSION_SECONDS = 6.0
COMMIT_SECONDS = 0.3
MAX_IN_FLIGHT, FETCH_RECORDS = 200, 100
PEAK_RATE = 1 / SECONDS_PER_TEXT
REPEATS_PER_DISTURBANCE = round(MAX_IN_FLIGHT + FETCH_RECORDS + PEAK_RATE * 2 * COMMIT_SECONDS)
"""What a worker may hold at once, and what it may publish between two commits: all of it comes again after a crash."""

RESUME_SECONDS = 60.0
"""Progress must resume within this time after a fault, or after its end where nothing can be done before."""

START_SECONDS, SETTLE_SECONDS = 180.0, 150.0


@dataclass
class Run:
    """A stream under faults. Workers are added by `worker`; the verdict comes from `finish`."""

    cluster: Cluster
    folder: Path
    checkpoint: Path
    mode: str
    input_topic: str
    output_topic: str
    dead_letter_topic: str
    group: str
    partition_count: int
    oracle: Oracle
    observer: Observer
    disturbances: int = 0
    rewind_seconds: float = 0.0
    resume_seconds: list[float] = field(default_factory=list)
    workers: list[WorkerProcess] = field(default_factory=list)
    aborted_uuids: set[str] = field(default_factory=set)
    extra_inputs: list[Input] = field(default_factory=list)
    _writing: asyncio.Task[None] | None = None
    _watching: list[asyncio.Task[None]] = field(default_factory=list)

    def settings(self, listener: str | None = None, **groups: dict[str, Any]) -> dict[str, Any]:
        """Settings of a worker; each group given is merged over the run's own. `listener`: its way to the brokers."""
        kafka = self.cluster.kafka
        servers = kafka.bootstrap(listener) if listener else kafka.bootstrap_servers
        base: dict[str, dict[str, Any]] = {
            "kafka": {
                "bootstrap_servers": servers.split(","),
                "group_id": self.group,
                "session_timeout_seconds": SESSION_SECONDS,
                "heartbeat_interval_seconds": 0.5,
                "rebalance_timeout_seconds": 12,
                "request_timeout_seconds": 3,
                "fetch_max_records": FETCH_RECORDS,
            },
            "input": {"topics": [self.input_topic]},
            "output": {"topic": self.output_topic, "dead_letter_topic": self.dead_letter_topic},
            "policies": {"file": str(self.folder / "policies.yaml")},
            "model": {"path": str(self.checkpoint), "threads": 1, "dtype": "float32"},
            "batching": {"max_in_flight_messages": MAX_IN_FLIGHT},
            "delivery": {
                "guarantee": self.mode,
                "commit_interval_seconds": COMMIT_SECONDS,
                "drain_budget_seconds": 8,
                "publish_floor_seconds": 3,
                "transaction_timeout_seconds": 15,
            },
        }
        return base | {name: base.get(name, {}) | values for name, values in groups.items()}

    def worker(self, listener: str | None = None, **groups: dict[str, Any]) -> WorkerProcess:
        """Start one more worker; it is killed at the end of the run if it still lives then."""
        name, settings = f"worker-{len(self.workers) + 1}", self.settings(listener, **groups)
        started = WorkerProcess(self.folder, settings, name, fault_worker).start()
        self.workers.append(started)
        return started

    def slow_down(self, seconds_per_text: float = SECONDS_PER_TEXT) -> None:
        """How long the model of every worker takes for a text, from now on."""
        slow_down(self.folder, seconds_per_text)

    async def start(self, workers: int = 2, listener: str | None = None, **settings: dict[str, Any]) -> None:
        """Start workers and the oracle, and wait until messages flow through every partition."""
        for _ in range(workers):
            self.worker(listener, **settings)
        self.start_writing()
        await self.flowing(START_SECONDS)

    def start_watching(self) -> None:
        watching = (self.observer.read_outputs(), self.observer.sample_offsets())
        self._watching = [asyncio.create_task(each) for each in watching]

    def start_writing(self) -> None:
        self._writing = asyncio.create_task(self.oracle.run())

    async def stop_writing(self) -> None:
        if self._writing is not None:
            writing, self._writing = self._writing, None
            writing.cancel()
            await asyncio.wait([writing])
            if not writing.cancelled():
                writing.result()

    @property
    def partitions(self) -> list[tuple[str, int]]:
        return [(self.input_topic, number) for number in range(self.partition_count)]

    async def flowing(self, timeout_seconds: float = RESUME_SECONDS) -> None:
        """Wait until every partition brings out what is written now, without counting it as a resumption."""
        await self._resumed(time.time(), timeout_seconds)

    async def resumed(self, since: float, timeout_seconds: float = RESUME_SECONDS) -> float:
        """Wait for progress on every partition after a fault at `since` (Unix seconds); gives the seconds it took."""
        seconds = await self._resumed(since, timeout_seconds) - since
        self.resume_seconds.append(seconds)
        return seconds

    async def _resumed(self, since: float, timeout_seconds: float) -> float:
        until = time.monotonic() + timeout_seconds
        while True:
            self._raise_failures()
            at = self.observer.resumed_at(since, self.oracle.acknowledged, self.partitions)
            if at is not None:
                return at
            assert time.monotonic() < until, (
                f"not every partition makes progress {timeout_seconds:g} s after a fault; committed: "
                f"{self.observer.committed(self.input_topic)}; workers: {self.states()}"
            )
            await asyncio.sleep(0.1)

    def _raise_failures(self) -> None:
        """A watcher or oracle that has died would let every test wait for its patience to end."""
        for task in (*self._watching, self._writing):
            if task is not None and task.done():
                task.result()

    def states(self) -> dict[str, str]:
        """What each worker says of itself."""
        return {worker.log_file.stem: worker.get("/readyz")[1][:300] or "no answer" for worker in self.workers}

    async def settle(self, timeout_seconds: float = SETTLE_SECONDS) -> None:
        """Write nothing more and wait until the group's offsets have passed every input; or the time is over."""
        await self.stop_writing()
        last: dict[int, int] = {}
        for each in [*self.oracle.acknowledged, *self.extra_inputs]:
            _, partition, offset = each.source
            last[partition] = max(offset, last.get(partition, -1))
        until = time.monotonic() + timeout_seconds
        while time.monotonic() < until:
            self._raise_failures()
            committed = self.observer.committed(self.input_topic)
            if all(committed.get(partition, 0) > offset for partition, offset in last.items()):
                return
            await asyncio.sleep(0.1)

    async def verdict(
        self, inputs: Collection[Input] | None = None, keep: Callable[[Output], bool] = lambda _: True
    ) -> tuple[History, list[Anomaly]]:
        """Read everything that was written and judge it.

        `inputs`: where not all that was acknowledged must come out; `keep`: where not every output is of this run.
        """
        if inputs is None:
            inputs = self._with_unknown(await read_all(self.cluster.bootstrap_servers, self.input_topic))
        topics = (self.output_topic, self.dead_letter_topic)
        found = await read_all(self.cluster.bootstrap_servers, *topics)
        history = History(
            inputs,
            [output for output in map(parse_output, found) if keep(output)],
            self.observer.samples,
            repeats_allowed=self.disturbances * REPEATS_PER_DISTURBANCE if self.mode == "at_least_once" else 0,
            rewind_seconds=self.rewind_seconds,
            aborted_uuids=self.aborted_uuids,
        )
        assert self.observer.sample_count > 0, "the offsets were never sampled"
        return history, check(history)

    def _with_unknown(self, log: list[Any]) -> list[Input]:
        """Everything acknowledged, and what is in the log although its acknowledgement never came."""
        known = {each.source: each for each in [*self.oracle.acknowledged, *self.extra_inputs]}
        for record in log:
            source = (record.topic, record.partition, record.offset)
            if source not in known:
                known[source] = parse_input(record)
        return list(known.values())

    async def finish(
        self,
        fault: str,
        what: str,
        inputs: Collection[Input] | None = None,
        keep: Callable[[Output], bool] = lambda _: True,
    ) -> Row:
        """Settle, judge, and give the line of the report; AssertionError with everything that is wrong."""
        await self.settle()
        history, anomalies = await self.verdict(inputs, keep)
        shown = "\n".join(str(anomaly) for anomaly in anomalies[:20])
        assert not anomalies, f"{len(anomalies)} anomalies\n{shown}\nworkers: {self.states()}"
        lost = len(history.missing)
        seconds = [round(each, 2) for each in self.resume_seconds]
        return Row(fault, what, self.mode, self.disturbances, len(history.inputs), lost, history.repeats, seconds)

    async def close(self) -> None:
        """End everything that still runs."""
        for task in self._watching:
            task.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)
        with contextlib.suppress(KafkaError, TimeoutError):  # of a run that has failed already
            await self.stop_writing()
        for worker in self.workers:
            worker.kill()


@asynccontextmanager
async def open_run(
    cluster: Cluster,
    folder: Path,
    checkpoint: Path,
    mode: str,
    rng: random.Random,
    *,
    partitions: int = PARTITIONS,
    value: Value = ticket,
    input_config: dict[str, str] | None = None,
    output_config: dict[str, str] | None = None,
) -> AsyncIterator[Run]:
    """Topics, policies, oracle and observer of one run; every fault of the cluster is undone at the end."""
    servers, group = cluster.bootstrap_servers, unique_name("group")
    written_at = {"message.timestamp.type": "LogAppendTime", **(output_config or {})}
    inputs = await create_topic(servers, "in", partitions=partitions, replicas=3, config=input_config)
    outputs = await create_topic(servers, "out", partitions=partitions, replicas=3, config=written_at)
    dead_letters = await create_topic(servers, "dead", partitions=2, replicas=3, config=written_at)
    (folder / "policies.yaml").write_text(yaml.safe_dump(POLICIES))
    run = Run(
        cluster=cluster,
        folder=folder,
        checkpoint=checkpoint,
        mode=mode,
        input_topic=inputs,
        output_topic=outputs,
        dead_letter_topic=dead_letters,
        group=group,
        partition_count=partitions,
        oracle=Oracle(servers, inputs, partitions, rng, value=value),
        observer=Observer(servers, (outputs, dead_letters), group),
    )
    run.slow_down()
    async with AsyncExitStack() as ending:
        ending.push_async_callback(cluster.restore)
        ending.push_async_callback(run.close)
        run.start_watching()
        yield run
