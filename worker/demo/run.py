"""The demo from end to end: Kafka, model, worker processes, generator, observer, view, and the verdict."""

import asyncio
import signal
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

import yaml
from aiokafka.errors import KafkaError
from rich.console import Console
from rich.live import Live
from rich.status import Status

from worker.demo.configuration import demo_policies, route_topics, worker_settings
from worker.demo.generator import GeneratorError, generate
from worker.demo.guardian import Guardian
from worker.demo.live_view import Moment, plain_line, render
from worker.demo.local_kafka import LocalKafka
from worker.demo.messages import Plan, demo_messages, warm_up_messages
from worker.demo.observer import Observer
from worker.demo.options import PARTITIONS, DemoOptions, check_options, pace_of, plan_of
from worker.demo.summary import Summary, summary_table, write_report
from worker.demo.tally import Tally
from worker.demo.topics import Topics, create_topics, delete_topics
from worker.demo.workers import WorkerProcessError, Workers
from worker.device.processors import processors
from worker.errors import ExitStatus, WorkerError

_READY_SECONDS = 180.0
_WARM_UP_ROUNDS = 32, 128  # messages; the last round is the one that is timed
_WARM_UP_SECONDS = 180.0
_STALL_SECONDS = 60.0
_STOP_SECONDS = 40.0  # above the workers' own drain budget
_CATCH_UP_SECONDS = 30.0
_FRAME_SECONDS = 0.25
_PLAIN_SECONDS = 5


def run_demo(options: DemoOptions) -> int:
    """Run the whole demo and print its summary; the exit status is 0 only if no message was lost and nothing failed.

    Raises OptionError before anything is started.
    """
    check_options(options)
    console = Console(highlight=False)
    try:
        with ExitStack() as stack:
            servers = options.bootstrap_servers
            if servers is None:
                with _Step(console, "Apache Kafka") as step:
                    kafka = LocalKafka(report=step)
                    stack.callback(kafka.stop)
                    kafka.start()
                    servers = kafka.bootstrap_servers
                    step.done(f"Apache Kafka 4.4.0 on {servers}")
            return asyncio.run(_Demo(console, options, servers).run())
    except WorkerError as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        return ExitStatus.FAILED
    except KafkaError as error:
        console.print(f"Kafka: {error}", style="red", markup=False, soft_wrap=True)
        return ExitStatus.FAILED
    except KeyboardInterrupt:
        return ExitStatus.INTERRUPTED


class _Demo:
    """One run against a Kafka that is there."""

    def __init__(self, console: Console, options: DemoOptions, bootstrap_servers: str) -> None:
        self._console = console
        self._options = options
        self._plan = Plan(messages=0, rate=1.0)
        self._pace = ""
        self._bootstrap_servers = bootstrap_servers
        prefix = f"gliclass-demo-{uuid.uuid4().hex[:8]}"
        self._policies = demo_policies(prefix)
        self._topics = Topics(prefix, PARTITIONS, route_topics(self._policies))
        self._tally = Tally()
        self._started = time.monotonic()
        self._stop_sending = asyncio.Event()
        self._abort = asyncio.Event()
        self._draining = False

    async def run(self) -> int:
        await create_topics(self._bootstrap_servers, dict.fromkeys(self._topics.all, self._topics.partitions))
        try:
            with tempfile.TemporaryDirectory(prefix="gliclass-worker-demo-") as directory, ExitStack() as stack:
                guardian = Guardian(directory)
                stack.callback(guardian.close)
                workers = Workers(Path(directory), guardian, self._settings(Path(directory)), self._options.replicas)
                stack.callback(workers.kill)
                model = self._options.model or "the starter checkpoint, which is fetched and built the first time"
                with _Step(self._console, f"worker with {model}") as step:
                    await workers.wait_ready(_READY_SECONDS, report=step)
                    step.done("1 worker" if self._options.replicas == 1 else f"{self._options.replicas} workers")
                return self._verdict(await self._stream(workers))
        finally:
            if self._options.bootstrap_servers is not None:
                await delete_topics(self._bootstrap_servers, self._topics)

    def _settings(self, directory: Path) -> dict[str, object]:
        policies = directory / "policies.yaml"
        policies.write_text(yaml.safe_dump(self._policies, sort_keys=False), "utf-8")
        return worker_settings(
            bootstrap_servers=self._bootstrap_servers,
            topics=self._topics,
            policies=policies,
            model=self._options.model,
            # One core is for Kafka, generator and view: a pass whose threads wait for each other is far slower.
            threads=max(1, (processors().threads - 1) // self._options.replicas),
        )

    async def _stream(self, workers: Workers) -> str | None:
        """Everything between the first message and the last result; returns what failed, None when nothing did."""
        observer = Observer(self._bootstrap_servers, self._topics, self._tally, self._clock)
        await observer.start()
        failure = None
        try:
            with self._interruptible():
                try:
                    await self._warm_up(observer, workers)
                    self._started = time.monotonic()
                    await self._until_done(observer, workers)
                    await workers.stop(_STOP_SECONDS)
                    await observer.catch_up(_CATCH_UP_SECONDS)
                except (WorkerError, KafkaError, TimeoutError) as error:
                    failure = str(error)
        finally:
            await observer.stop()
        return failure

    async def _warm_up(self, observer: Observer, workers: Workers) -> None:
        """Let the workers do their first, slow passes unseen, and plan by the messages per second they can do."""
        began, deadline = 0.0, time.monotonic() + _WARM_UP_SECONDS
        expected = 0
        with _Step(self._console, "warming up") as step:
            for number, count in enumerate(_WARM_UP_ROUNDS, start=1):
                began = time.monotonic()
                expected += await generate(
                    self._bootstrap_servers,
                    self._topics.warm_up,
                    warm_up_messages(count, seed=-number),
                    acknowledged=lambda *_: None,
                    stop=self._stop_sending,
                )
                while observer.warmed_up < expected and not self._stop_sending.is_set():
                    workers.check_alive()
                    if time.monotonic() > deadline:
                        raise WorkerProcessError(
                            f"warming up: {observer.warmed_up} of {expected} messages after {_WARM_UP_SECONDS:.0f} s"
                        )
                    await observer.poll()
            capacity = _WARM_UP_ROUNDS[-1] / (time.monotonic() - began)
            self._plan = plan_of(self._options, capacity)
            self._pace = pace_of(self._options, self._plan, capacity)
            step.done(f"warmed up; {self._pace}")

    async def _until_done(self, observer: Observer, workers: Workers) -> None:
        """Send, follow, watch and show at once; the first that fails ends all, and its error is raised."""
        end_following = asyncio.Event()
        background = [
            asyncio.create_task(observer.follow(end_following)),
            asyncio.create_task(self._watch(workers)),
            asyncio.create_task(self._show()),
        ]
        work = asyncio.create_task(self._send_and_drain())
        try:
            done, _ = await asyncio.wait([work, *background], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            end_following.set()
            for task in (work, *background[1:]):
                task.cancel()
            await asyncio.gather(work, *background, return_exceptions=True)

    async def _send_and_drain(self) -> None:
        await generate(
            self._bootstrap_servers,
            self._topics.input,
            demo_messages(self._plan, self._options.seed),
            acknowledged=lambda partition, offset: self._tally.acknowledged((partition, offset), self._clock()),
            stop=self._stop_sending,
        )
        self._draining = True
        drain_began = self._clock()
        while self._tally.waiting and not self._abort.is_set():
            if self._clock() - max(drain_began, self._tally.last_out) > _STALL_SECONDS:
                raise GeneratorError(
                    f"{self._tally.waiting} messages are waiting and none came out in {_STALL_SECONDS:.0f} s"
                )
            await asyncio.sleep(0.1)

    async def _watch(self, workers: Workers) -> None:
        while True:
            workers.check_alive()
            await asyncio.sleep(0.5)

    async def _show(self) -> None:
        if not (self._options.live and self._console.is_terminal and not self._console.is_dumb_terminal):
            while True:
                await asyncio.sleep(_PLAIN_SECONDS)
                line = plain_line(self._tally, self._moment(), _PLAIN_SECONDS)
                self._console.print(line, markup=False, soft_wrap=True)
        with Live(console=self._console, screen=True, auto_refresh=False) as live:
            while True:
                width, height = self._console.size
                live.update(render(self._tally, self._moment(), width=width, height=height), refresh=True)
                await asyncio.sleep(_FRAME_SECONDS)

    def _moment(self) -> Moment:
        embedded = "embedded Apache Kafka" if self._options.bootstrap_servers is None else "Kafka"
        where = f"{embedded} on {self._bootstrap_servers}"
        replicas, planned = self._options.replicas, self._plan.messages
        return Moment(self._phase(), self._clock(), planned, replicas, where, self._pace)

    def _phase(self) -> str:
        now, burst = self._clock(), self._plan.burst_start * self._plan.seconds
        if self._draining:
            return "draining"
        if burst <= now < burst + self._plan.burst_seconds:
            return "burst"
        if now >= burst and self._tally.waiting > self._plan.rate:
            return "catching up"
        return "steady flow"

    def _clock(self) -> float:
        return time.monotonic() - self._started

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """The first Ctrl-C ends the sending and lets the rest come home; the second one ends the waiting, too."""

        def interrupt() -> None:
            if self._stop_sending.is_set():
                self._abort.set()
            self._stop_sending.set()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, interrupt)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    def _verdict(self, failure: str | None) -> int:
        summary = Summary.of(self._tally)
        self._console.print(summary_table(summary, self._tally, self._pace))
        if self._options.report is not None:
            try:
                write_report(self._options.report, summary)
            except OSError as error:
                failure = f"--report {self._options.report}: {error.strerror or error}"
        if failure is not None:
            self._console.print(failure, style="red", markup=False, soft_wrap=True)
        return ExitStatus.OK if failure is None and summary.lost == 0 else ExitStatus.FAILED


class _Step:
    """A line that says what is being prepared; calling it shows progress, `done` what came of it and in what time."""

    def __init__(self, console: Console, what: str) -> None:
        self._console = console
        self._what = what
        self._began = time.monotonic()
        self._status: Status | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._status = self._console.status(f"starting: {self._what}").__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()

    def __call__(self, progress: str) -> None:
        if self._status is not None:
            self._status.update(progress)
        else:
            self._console.print(progress, markup=False, soft_wrap=True)

    def done(self, outcome: str) -> None:
        seconds = time.monotonic() - self._began
        self._console.print(f"[green]✓[/] {outcome} [dim]({seconds:.1f} s)[/]", soft_wrap=True)
