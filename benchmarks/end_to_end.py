"""The worker on Kafka against what people write today: same broker, same checkpoint, same texts.

    python -m benchmarks.end_to_end [--rounds N] [--seconds S] [--json FILE] [--plot FILE]

The systems run side by side, each on topics of its own, and get work in turns, in shuffled order: a backlog
(throughput), then messages at their intended times from a producer process (on-time share; latency counts from the
intended time to the broker's append of the result). Right before and after a worker's turn the offline maximum of its
engine is measured: all texts known, sorted by length, in the best batch size; where the two differ by over 10% the
ratio is left out. Ratios are of the same round. Two engine processes at once tell what two replicas could reach.

Throughput is in device tokens of real text, so that it does not matter which texts a system got to, and is shown as
messages of mean length. The model has one thread: broker, clients and event loops have the other core, which two
replicas do not leave them. Needs the extra `bench`.
"""

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import torch

from benchmarks.engines.models import write_checkpoint
from benchmarks.engines.workload import Workload
from benchmarks.kafka.figures import Measured, figures, tokens_per_second
from benchmarks.kafka.systems import Material, Running, System
from benchmarks.kafka.worker import stop_cleanly_on_termination
from benchmarks.report import command_line, plot_bars, write_report
from model.precision import has_native_bf16
from worker.demo.local_kafka import LocalKafka

MODULE = "benchmarks.end_to_end"
TEXTS = 2000
BUDGETS_SECONDS = (0.5, 1.0, 2.0, 5.0)
PEER_LOAD = 0.7
MOST_LATENESS = 0.05
WARM_UP_MESSAGES, LEAST_MESSAGES = 48, 60
WORKER, BEST, TWO = "worker_fp32", "worker_best_dtype", "two_workers_fp32"


def material(folder: Path, threads: int) -> Material:
    """Four tenants with 4 to 20 labels, and texts of lognormal length."""
    workload = Workload.draw(TEXTS)
    sets = list(dict.fromkeys(workload.label_sets))
    labels = {f"tenant-{number}": list(one.labels) for number, one in enumerate(sets)}
    budgets = dict(zip(labels, BUDGETS_SECONDS, strict=True))
    return Material(write_checkpoint(folder / "checkpoint", "bert"), labels, budgets, list(workload.texts), threads)


class Engines:
    """The engine process; it measures when asked."""

    def __init__(self, given: Material, dtypes: Sequence[str], folder: Path) -> None:
        file = folder / "texts.json"
        labels = [given.labels[given.tenant(place)] for place in range(len(given.texts))]
        file.write_text(json.dumps({"texts": given.texts, "labels": labels}))
        arguments = ["--checkpoint", str(given.checkpoint), "--texts", str(file), "--threads", str(given.threads)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.engines.speed", *arguments, "--dtypes", *dtypes],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"OMP_NUM_THREADS": str(given.threads)},
            text=True,
        )

    async def ask(self, what: str) -> Any:
        """Its answer; see `benchmarks.engines.speed`."""
        return json.loads(await asyncio.to_thread(self._answer, what))

    def _answer(self, what: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError("the engine process ended; what it printed above says why")
        return answer

    def stop(self) -> None:
        """End the process."""
        self._process.communicate()


def arrivals(rate: float, seconds: float, seed: int) -> list[float]:
    """Poisson arrivals, in seconds from the start."""
    source, times, now = random.Random(seed), [], 0.0
    while (now := now + source.expovariate(rate)) < seconds:
        times.append(now)
    return times


class Bench:
    """All systems at work, and the engine process."""

    def __init__(self, options: argparse.Namespace, bootstrap_servers: str, folder: Path) -> None:
        self._options = options
        self._bootstrap_servers = bootstrap_servers
        self._folder = folder
        self._given = material(folder, options.threads)
        self.best_dtype = "bfloat16" if has_native_bf16(torch.device("cpu")) else "float32"
        self._dtypes = list(dict.fromkeys(("float32", self.best_dtype)))
        self._token_counts: list[int] = []

    async def rounds(self) -> list[Measured]:
        """All rounds."""
        async with AsyncExitStack() as stack:
            engines = Engines(self._given, self._dtypes, self._folder)
            stack.callback(engines.stop)
            self._token_counts = await engines.ask("tokens")
            pipeline = {int(size): speed for size, speed in (await engines.ask("pipeline")).items()}
            mean_tokens = sum(self._token_counts) / len(self._token_counts)
            offline = {dtype: await engines.ask(dtype) / mean_tokens for dtype in self._dtypes}
            batch = max((size for size in pipeline if size > 1), key=pipeline.__getitem__)
            rate = PEER_LOAD * max(pipeline.values())
            print(f"pipeline {pipeline}, offline {offline} messages/s; timed messages at {rate:.1f}/s", flush=True)
            expected = {
                System(WORKER, "worker"): offline["float32"],
                System(BEST, "worker", dtype=self.best_dtype): offline[self.best_dtype],
                System(TWO, "worker", replicas=2): 2 * offline["float32"],
                System("one_by_one", "one_by_one"): pipeline[1],
                System("getmany", "getmany", batch_messages=batch): pipeline[batch],
                System("faststream", "faststream", batch_messages=batch): pipeline[batch],
            }
            systems = {system.name: self._running(system, stack) for system in expected}
            # A worker that is the first with its dtype calibrates itself while it starts, and is left alone.
            for name in (WORKER, BEST):
                await self._start(systems[name])
            second = Engines(self._given, ["float32"], self._folder)
            stack.callback(second.stop)
            others = [self._start(one) for name, one in systems.items() if name not in (WORKER, BEST)]
            await asyncio.gather(*others, second.ask("float32"))
            backlogs = {s.name: max(LEAST_MESSAGES, int(self._options.seconds * e)) for s, e in expected.items()}
            measured: list[Measured] = []
            for number in range(self._options.rounds):
                measured.append(Measured(mean_tokens))
                # What is divided by one another stands side by side, between two offline maxima.
                turns = [(WORKER, TWO), (BEST,), ("one_by_one",), ("getmany",), ("faststream",)]
                for turn in random.Random(number).sample(turns, len(turns)):
                    dtype = {WORKER: "float32", BEST: self.best_dtype}.get(turn[0])
                    before = [await engines.ask(dtype)] if dtype else []
                    for name in turn:
                        await self._work_off(systems[name], backlogs[name], measured[-1])
                    if dtype:
                        measured[-1].offline[turn[0]] = (*before, await engines.ask(dtype))
                    if TWO in turn:
                        both = await asyncio.gather(engines.ask("float32"), second.ask("float32"))
                        measured[-1].two_engines_tokens_per_second = sum(both)
                    await self._keep_up(systems[turn[0]], rate, number, measured[-1])
                print(f"round {number}: {measured[-1]}", flush=True)
            return measured

    def _running(self, system: System, stack: AsyncExitStack) -> Running:
        running = Running(system, self._bootstrap_servers, self._given, self._folder / system.name)
        stack.push_async_callback(running.stop)
        return running

    async def _start(self, running: Running) -> None:
        began_at = time.monotonic()
        await running.start(WARM_UP_MESSAGES, self._options.timeout_seconds)
        print(f"{running.system.name} runs after {time.monotonic() - began_at:.0f} s", flush=True)

    async def _work_off(self, running: Running, backlog: int, measured: Measured) -> None:
        appended = await running.work_off(backlog, self._options.timeout_seconds)
        measured.tokens_per_second[running.system.name] = tokens_per_second(appended, self._token_counts)

    async def _keep_up(self, running: Running, rate: float, number: int, measured: Measured) -> None:
        at_seconds = arrivals(rate, self._options.seconds, number)
        on_time_percent, lateness_seconds = await running.keep_up(at_seconds, self._options.timeout_seconds)
        name = running.system.name
        if lateness_seconds <= MOST_LATENESS * min(BUDGETS_SECONDS):
            measured.on_time_percent[name] = on_time_percent
        else:
            print(f"  {name}: timed run left out, the producer was {1000 * lateness_seconds:.0f} ms late", flush=True)


async def measure(options: argparse.Namespace, bootstrap_servers: str, folder: Path) -> dict[str, float]:
    """All rounds; the figures."""
    bench = Bench(options, bootstrap_servers, folder)
    return figures(await bench.rounds(), WORKER, BEST, TWO)


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds (default 3)")
    parser.add_argument("--seconds", type=float, default=7.0, help="of backlog and of timed messages (default 7)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of a model (default 1)")
    parser.add_argument("--timeout-seconds", type=float, default=300.0, help="for one turn of one system")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures, the machine and the command")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the throughputs")
    options = parser.parse_args(arguments)
    stop_cleanly_on_termination()
    with LocalKafka() as kafka, tempfile.TemporaryDirectory() as folder:
        measured = asyncio.run(measure(options, kafka.bootstrap_servers, Path(folder)))
    for name, value in measured.items():
        print(f"{name:44}{value:10.3f}")
    if options.json:
        write_report(options.json, measured, command_line(MODULE, arguments))
    if options.plot:
        prefix = "messages_per_second_"
        bars = {name.removeprefix(prefix): value for name, value in measured.items() if name.startswith(prefix)}
        plot_bars(options.plot, "Messages a second on Kafka, one model thread", bars, x_label="messages a second")


if __name__ == "__main__":
    main(sys.argv[1:])
