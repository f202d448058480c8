"""What the worker costs beside the model: the real worker on a real Kafka, with a device that only sleeps.

    python -m benchmarks.overhead [--messages N] [--json FILE] [--plot FILE]

A backlog of messages of 1 KB is worked off. Measured are the processor time of the event loop's thread per message; on
later messages of the same backlog, because timing every callback costs time itself, the longest that one held the loop;
the memory (which must not grow with the backlog); and how long choosing a batch takes with 10,000 messages waiting.
Needs the extra `bench`.
"""

import argparse
import asyncio
import contextlib
import os
import resource
import signal
import statistics
import sys
import tempfile
import threading
import time
from asyncio import events
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from benchmarks.kafka.sleeping import DEVICE, LABELS, TENANTS, SleepingModel, messages
from benchmarks.kafka.stream import StreamTopics, create, fill, read_until
from benchmarks.kafka.worker import worker_settings, write_policies
from benchmarks.report import command_line, plot_bars, write_report
from benchmarks.simulator.ours import calibrated
from benchmarks.simulator.scenarios import GPU
from benchmarks.simulator.workloads import Rate, SimulatedMessage, Workload
from schemas.settings import ModelSettings, Settings
from worker import assembly
from worker.app import run_worker
from worker.batching.batch import Batch
from worker.batching.batcher import Batcher
from worker.batching.cost_model import CostModel
from worker.demo.local_kafka import LocalKafka
from worker.device.model import load_model

MODULE = "benchmarks.overhead"
MESSAGES = 30_000
PARTITIONS = 6
WARM_UP_SHARE, CALLBACKS_SHARE = 0.2, 0.6
QUEUED = 10_000
DECISIONS = 300
SAMPLE_SECONDS = 0.05
SAMPLES_PER_MEMORY = 10
READ_SECONDS = 120.0


@dataclass(slots=True)
class LoopSample:
    """At one moment: the loop thread's processor seconds, wall seconds, messages scored so far, resident memory."""

    thread_seconds: float
    at: float
    scored: int
    memory_mib: float


@dataclass(slots=True)
class LongestCallback:
    """The longest that one callback held the event loop, in wall and in processor seconds."""

    wall_seconds: float = 0.0
    thread_seconds: float = 0.0


def timed_callbacks(longest: LongestCallback) -> Callable[[events.Handle], None]:
    """A replacement of `Handle._run` that keeps the longest run of the main thread's loop."""
    run: Callable[[events.Handle], None] = events.Handle._run  # pyright: ignore[reportAttributeAccessIssue]

    def timed(handle: events.Handle) -> None:
        if threading.current_thread() is not threading.main_thread():
            return run(handle)
        at, thread = time.perf_counter(), time.thread_time()
        try:
            return run(handle)
        finally:
            longest.thread_seconds = max(longest.thread_seconds, time.thread_time() - thread)
            longest.wall_seconds = max(longest.wall_seconds, time.perf_counter() - at)

    return timed


async def work_off(options: argparse.Namespace, bootstrap_servers: str, folder: Path) -> dict[str, float]:
    """Fill a topic, let the worker work it off in this process, and say what that took."""
    topics = StreamTopics.unique(PARTITIONS)
    await create(bootstrap_servers, topics)
    await fill(bootstrap_servers, topics.input, PARTITIONS, messages(options.messages))
    labels = {f"tenant-{n}": [f"label {number}" for number in range(LABELS)] for n in range(TENANTS)}
    policies = write_policies(folder / "policies.yaml", labels, dict.fromkeys(labels, 1.0))
    model = {"path": options.checkpoint, "threads": 1}
    settings = Settings(**worker_settings(bootstrap_servers, topics, policies, model))
    models: list[SleepingModel] = []
    longest = LongestCallback()

    def load(model: ModelSettings) -> SleepingModel:
        models.append(SleepingModel(load_model(model)))
        return models[0]

    async def known_cost(*_: object) -> CostModel:
        return calibrated(DEVICE)

    # The wiring is the worker's own; only what computes is replaced, and what would time it.
    with mock.patch.object(assembly, "load_model", load), mock.patch.object(assembly, "_cost_model", known_cost):
        worker = asyncio.create_task(run_worker(settings))
        samples = await _sampled(models, options.messages, longest, worker)
        os.kill(os.getpid(), signal.SIGTERM)
        if await worker != 0:
            raise RuntimeError("the worker failed; its log says why")
    topics_read = (topics.output, topics.dead_letters)
    out = await read_until(bootstrap_servers, topics_read, PARTITIONS, options.messages, READ_SECONDS)
    if len(out) != options.messages:
        raise RuntimeError(f"{len(out)} results for {options.messages} messages")
    first = next(sample for sample in samples if sample.scored >= WARM_UP_SHARE * options.messages)
    last = next(sample for sample in samples if sample.scored >= CALLBACKS_SHARE * options.messages)
    worked = last.scored - first.scored
    return {
        "loop_microseconds_per_message": 1e6 * (last.thread_seconds - first.thread_seconds) / worked,
        "longest_loop_block_ms": 1000 * longest.wall_seconds,
        "longest_loop_block_cpu_ms": 1000 * longest.thread_seconds,
        "messages_per_second": worked / (last.at - first.at),
        "memory_growth_mib": max(sample.memory_mib for sample in samples) - first.memory_mib,
    }


async def _sampled(
    models: list[SleepingModel], count: int, longest: LongestCallback, worker: "asyncio.Task[int]"
) -> list[LoopSample]:
    """Samples from the start of the worker until the last message is scored."""
    samples: list[LoopSample] = []
    memory_mib = 0.0
    with contextlib.ExitStack() as timing:
        while not worker.done():
            await asyncio.sleep(SAMPLE_SECONDS)
            scored = models[0].scored if models else 0
            if len(samples) % SAMPLES_PER_MEMORY == 0:
                memory_mib = _resident_mib()
            samples.append(LoopSample(time.thread_time(), time.monotonic(), scored, memory_mib))
            if scored >= count:
                return samples
            if scored >= CALLBACKS_SHARE * count and not longest.wall_seconds:
                timing.enter_context(mock.patch.object(events.Handle, "_run", timed_callbacks(longest)))
    raise RuntimeError("the worker ended before the backlog was done; its log says why")


def decision_figures() -> dict[str, float]:
    """Processor time of choosing a batch and of adding a message, with 10,000 messages of five tenants waiting."""
    workload = Workload("waiting", Rate(1.0), 60.0)
    arrivals = iter(workload.messages(GPU.offline_tokens_per_second, seed=1))
    batcher: Batcher[SimulatedMessage] = Batcher(calibrated(GPU), max_batch_tokens=GPU.max_batch_tokens)
    now, choosing, adding = 0.0, [], []
    for round_number in range(DECISIONS + 1):
        while batcher.queued_messages < QUEUED:
            message = next(arrivals)
            message.deadline = now + 60 * message.latency_budget_seconds
            began = time.thread_time()
            batcher.add(message, now)
            adding.append(time.thread_time() - began)
        began = time.thread_time()
        batch = batcher.next_batch(now)
        choosing.append(time.thread_time() - began)
        assert isinstance(batch, Batch)
        now += batch.predicted_seconds
        if round_number == 0:
            choosing.clear()
    return {
        "next_batch_ms_at_10000_queued": 1000 * statistics.median(choosing),
        "next_batch_p99_ms_at_10000_queued": 1000 * sorted(choosing)[int(0.99 * len(choosing))],
        "messages_per_batch": (len(adding) - QUEUED) / DECISIONS,
        "add_microseconds": 1e6 * statistics.median(adding),
    }


def _resident_mib() -> float:
    """Of this process; the peak where the system does not tell the present."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return pages * resource.getpagesize() / 2**20


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--messages", type=int, default=MESSAGES, help=f"backlog to work off (default {MESSAGES})")
    parser.add_argument("--checkpoint", help="whose tokenizer to use (default: the starter)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures, the machine and the command")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the times")
    options = parser.parse_args(arguments)
    figures = decision_figures()
    with LocalKafka() as kafka, tempfile.TemporaryDirectory() as folder:
        figures |= asyncio.run(work_off(options, kafka.bootstrap_servers, Path(folder)))
    figures = {name: round(value, 3) for name, value in figures.items()}
    for name, value in figures.items():
        print(f"{name:36}{value:12.3f}")
    if options.json:
        write_report(options.json, figures, command_line(MODULE, arguments))
    if options.plot:
        shown = ("next_batch_ms_at_10000_queued", "next_batch_p99_ms_at_10000_queued", "longest_loop_block_ms")
        bars = {name: figures[name] for name in shown}
        plot_bars(options.plot, "What the worker costs beside the model", bars, x_label="ms")


if __name__ == "__main__":
    main(sys.argv[1:])
