"""Memory does not grow with the lag: a worker process on a topic with a million messages waiting.

    python -m benchmarks.backlog [--messages N] [--seconds S] [--json FILE] [--plot FILE]

A small model, so that many messages pass through. Resident memory is sampled until the backlog is worked off or the
time is over; then the worker is stopped, and every message below the committed offsets must have its result. The bound
is what the settings allow in flight, above the memory of the worker before its first record. Needs Linux and the extra
`bench`.
"""

import argparse
import asyncio
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from benchmarks.engines.models import WORDS, word, write_checkpoint
from benchmarks.kafka.stream import StreamTopics, create, fill, read
from benchmarks.kafka.worker import (
    end,
    logs,
    start_worker,
    stop_cleanly_on_termination,
    worker_settings,
    write_policies,
)
from benchmarks.report import command_line, plot_lines, write_report
from schemas.kafka_settings import KafkaSettings
from schemas.settings import BatchingSettings
from schemas.types import MEBIBYTE
from worker.demo.local_kafka import LocalKafka

MODULE = "benchmarks.backlog"
MESSAGES = 1_000_000
SECONDS = 420.0
PARTITIONS = 6
SAMPLE_SECONDS = 0.25
START_SECONDS = 120.0
TEXT_WORDS = 24
SIZES = {"num_hidden_layers": 2, "hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 64}
LABELS = {"tenant-0": [word(1), word(2)], "tenant-1": [word(3), word(4), word(5)]}
BYTES_PER_MESSAGE = 8 * 1024
"""What a short message in flight takes as Python objects: record, text, token ids, result."""

BYTES_PER_BYTE = 4
"""What a byte of a long message takes: in the record, the text, the token ids and the result."""


@dataclass(frozen=True, slots=True)
class Sample:
    """At one moment since the start of the worker: resident memory, results so far."""

    seconds: float
    memory_mib: float
    results: int


def messages(count: int) -> Iterator[bytes]:
    """JSON records of about 200 bytes."""
    source, tenants = random.Random(0), list(LABELS)
    for number in range(count):
        text = " ".join(word(chosen) for chosen in source.choices(range(WORDS), k=TEXT_WORDS))
        yield orjson.dumps({"text": text, "tenant": tenants[number % len(tenants)]})


def bound_mib() -> float:
    """What the default settings let a worker hold above its memory without any record: records in flight, and what the
    client has fetched and not delivered, received and parsed."""
    batching, fetch_max_bytes = BatchingSettings(), KafkaSettings.model_fields["fetch_max_bytes"].default
    in_flight = batching.max_in_flight_messages * BYTES_PER_MESSAGE + batching.max_in_flight_bytes * BYTES_PER_BYTE
    return (in_flight + 2 * fetch_max_bytes) / MEBIBYTE


async def work_off(
    bootstrap_servers: str, topics: StreamTopics, worker: "subprocess.Popen[bytes]", count: int, seconds: float
) -> list[Sample]:
    """Samples until all results are there or the time is over, which counts from the first result."""
    outputs = [TopicPartition(name, n) for name in (topics.output, topics.dead_letters) for n in range(PARTITIONS)]
    samples: list[Sample] = []
    watch = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers)
    await watch.start()
    try:
        began_at, until = time.monotonic(), time.monotonic() + START_SECONDS
        while worker.poll() is None and time.monotonic() < until:
            results = sum((await watch.end_offsets(outputs)).values())
            if results and not (samples and samples[-1].results):
                until = time.monotonic() + seconds
            samples.append(Sample(time.monotonic() - began_at, _memory_mib(worker.pid, "VmRSS"), results))
            if results >= count:
                break
            await asyncio.sleep(SAMPLE_SECONDS)
    finally:
        await watch.stop()
    return samples


async def lost_and_duplicated(bootstrap_servers: str, topics: StreamTopics) -> tuple[int, int, int]:
    """Messages that are committed, those of them without a result, and results beyond the first of a message."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        offsets = await admin.list_consumer_group_offsets(topics.prefix)
    finally:
        await admin.close()
    committed = {place.partition: found.offset for place, found in offsets.items()}
    seen = {partition: bytearray(offset) for partition, offset in committed.items()}
    expected, found, duplicated = sum(committed.values()), 0, 0
    async with aclosing(read(bootstrap_servers, (topics.output,), PARTITIONS, START_SECONDS)) as reading:
        async for record in reading:
            source = orjson.loads(record.value or b"")["source"]
            partition, offset = source["partition"], source["offset"]
            if offset >= len(seen[partition]):
                continue
            duplicated += seen[partition][offset]
            found += not seen[partition][offset]
            seen[partition][offset] = 1
            if found == expected:
                break
    return expected, expected - found, duplicated


async def measure(options: argparse.Namespace, bootstrap_servers: str, folder: Path) -> dict[str, float]:
    """Fill, work off, count; the figures."""
    topics = StreamTopics.unique(PARTITIONS)
    await create(bootstrap_servers, topics)
    began_at = time.monotonic()
    await fill(bootstrap_servers, topics.input, PARTITIONS, messages(options.messages))
    print(f"{options.messages} messages wait after {time.monotonic() - began_at:.0f} s", flush=True)
    policies = write_policies(folder / "policies.yaml", LABELS, dict.fromkeys(LABELS, 1.0))
    model = {"path": str(write_checkpoint(folder / "checkpoint", "bert", **SIZES)), "threads": 1}
    settings = worker_settings(bootstrap_servers, topics, policies, model)
    worker = start_worker(settings, folder, "worker", threads=1)
    try:
        samples = await work_off(bootstrap_servers, topics, worker, options.messages, options.seconds)
        peak_mib = _memory_mib(worker.pid, "VmHWM") if worker.poll() is None else 0.0
    finally:
        statuses = await asyncio.to_thread(end, [worker])
    if statuses != [0] or not samples[-1].results:
        raise RuntimeError(f"the worker ended with {statuses[0]} after {samples[-1].results} results:\n{logs(folder)}")
    processed, lost, duplicated = await lost_and_duplicated(bootstrap_servers, topics)
    before = [sample.memory_mib for sample in samples if not sample.results]
    working = [sample for sample in samples if sample.results]
    halves = (working[: len(working) // 2], working[len(working) // 2 :])
    first_half, second_half = (max(sample.memory_mib for sample in half) for half in halves)
    if options.plot:
        lines = {
            "resident memory, MiB": [(s.seconds, s.memory_mib) for s in samples],
            "bound, MiB": [(s.seconds, max(before) + bound_mib()) for s in (samples[0], samples[-1])],
            "messages that wait, thousands": [(s.seconds, (options.messages - s.results) / 1000) for s in samples],
        }
        plot_lines(options.plot, "Memory while a backlog is worked off", lines, x_label="seconds", y_label="")
    return {
        "lag_messages": options.messages,
        "processed_messages": processed,
        "lost_messages": lost,
        "duplicated_messages": duplicated,
        "messages_per_second": (working[-1].results - working[0].results) / (working[-1].seconds - working[0].seconds),
        "memory_before_first_record_mib": max(before),
        "peak_memory_mib": peak_mib,
        "peak_above_start_mib": peak_mib - max(before),
        "bound_above_start_mib": bound_mib(),
        "second_half_to_first_half_peak": second_half / first_half,
    }


def _memory_mib(process: int, field: str) -> float:
    """`VmRSS`, now, or `VmHWM`, the peak, of a process."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"/proc/{process}/status has no {field}: this benchmark needs Linux")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--messages", type=int, default=MESSAGES, help=f"that wait (default {MESSAGES})")
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"to work for at most (default {SECONDS:g})")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures, the machine and the command")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw memory and lag over time")
    options = parser.parse_args(arguments)
    stop_cleanly_on_termination()
    with LocalKafka() as kafka, tempfile.TemporaryDirectory() as folder:
        worker_folder = Path(folder) / "worker"
        worker_folder.mkdir()
        figures = asyncio.run(measure(options, kafka.bootstrap_servers, worker_folder))
    figures = {name: round(value, 3) for name, value in figures.items()}
    for name, value in figures.items():
        print(f"{name:36}{value:14.1f}")
    if options.json:
        write_report(options.json, figures, command_line(MODULE, arguments))
    within = figures["peak_above_start_mib"] <= figures["bound_above_start_mib"] and not figures["lost_messages"]
    return 0 if within else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
