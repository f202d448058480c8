"""How long a worker with thousands of tenants takes until it is ready, the first time and the next.

    python -m benchmarks.tenants [--tenants N] [--tasks N] [--labels N] [--model DIR] [--json FILE]

A real worker on a real Kafka, started twice with one cache: the second time it finds the label vectors of the first on
disk. No two labels are equal. Also its memory once it is ready, and the size of a scrape when each tenant that has time
series of its own has got a message. Needs Linux and the extra `bench`.
"""

import argparse
import asyncio
import random
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson
import yaml

from benchmarks.kafka.stream import StreamTopics, create, fill
from benchmarks.kafka.worker import end, logs, start_worker, stop_cleanly_on_termination, worker_settings
from benchmarks.report import command_line, write_report
from model.starter import checkpoint_or_starter
from schemas.settings import TelemetrySettings
from worker.demo.kafka_properties import free_ports
from worker.demo.local_kafka import LocalKafka

MODULE = "benchmarks.tenants"
PARTITIONS = 2
READY_SECONDS = 1800.0
KINDS = ("billing", "delivery", "refund", "account", "complaint", "praise", "question", "threat")
POLL_SECONDS = 0.1
SCRAPE_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Started:
    """One start: seconds until /readyz answers 200, resident memory then, bytes of a scrape."""

    ready_seconds: float
    memory_mib: float
    scrape_bytes: int


def policies(tenants: int, tasks: int, labels: int) -> bytes:
    """A policy file in which every label is another one, of a word and a number."""
    source = random.Random(0)
    numbers = iter(range(tenants * tasks * labels))

    def label() -> str:
        return f"{source.choice(KINDS)} {next(numbers)}"

    written = {
        f"tenant-{tenant}": {
            "tasks": {
                f"task-{task}": {"mode": "multi", "labels": [label() for _ in range(labels)]} for task in range(tasks)
            }
        }
        for tenant in range(tenants)
    }
    return yaml.dump({"tenants": written}, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper)).encode()


def answer(port: int, path: str) -> bytes | None:
    """What the admin port answers with status 200; None for any other, or for none."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as response:
            return response.read()
    except (urllib.error.URLError, OSError):
        return None


def memory_mib(process: int) -> float:
    """Resident memory of a process."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"/proc/{process}/status has no VmRSS: this benchmark needs Linux")


async def start(options: argparse.Namespace, servers: str, file: Path, folder: Path) -> Started:
    """Start a worker, wait until it is ready, let some tenants have a message, and stop it."""
    folder.mkdir()
    topics = StreamTopics.unique(PARTITIONS)
    await create(servers, topics)
    port = free_ports(1)[0]
    settings = worker_settings(servers, topics, file, {"path": checkpoint_or_starter(options.model, print)})
    settings["admin"] = {"port": port}
    began_at = time.monotonic()
    worker = start_worker(settings, folder, "worker", threads=None)
    try:
        while answer(port, "/readyz") is None:
            if worker.poll() is not None or time.monotonic() - began_at > READY_SECONDS:
                raise RuntimeError(f"the worker is not ready after {READY_SECONDS:.0f} s:\n{logs(folder)}")
            await asyncio.sleep(POLL_SECONDS)
        ready_seconds, resident_mib = time.monotonic() - began_at, memory_mib(worker.pid)
        counted = min(options.tenants, TelemetrySettings().tenants_in_metrics)
        values = (orjson.dumps({"text": f"message {n}", "tenant": f"tenant-{n}"}) for n in range(counted))
        await fill(servers, topics.input, PARTITIONS, values)
        scrape = await _scrape(worker, port, counted)
    finally:
        await asyncio.to_thread(end, [worker])
    return Started(ready_seconds, resident_mib, len(scrape))


async def _scrape(worker: "subprocess.Popen[bytes]", port: int, tenants: int) -> bytes:
    until = time.monotonic() + SCRAPE_SECONDS
    while worker.poll() is None and time.monotonic() < until:
        scrape = await asyncio.to_thread(answer, port, "/metrics") or b""
        if scrape.count(b"\ngliclass_messages_classified_total{") >= tenants:
            return scrape
        await asyncio.sleep(POLL_SECONDS)
    raise RuntimeError("not every tenant has got its message")


async def measure(options: argparse.Namespace, servers: str, folder: Path) -> dict[str, float]:
    """Both starts; the figures."""
    file = folder / "policies.yaml"
    file.write_bytes(policies(options.tenants, options.tasks, options.labels))
    first = await start(options, servers, file, folder / "first")
    print(f"first start: {first}", flush=True)
    second = await start(options, servers, file, folder / "second")
    print(f"second start: {second}", flush=True)
    vectors = sum(each.stat().st_size for each in (folder / "cache").rglob("*.sqlite"))
    return {
        "labels": options.tenants * options.tasks * options.labels,
        "policy_file_bytes": file.stat().st_size,
        "first_ready_seconds": first.ready_seconds,
        "second_ready_seconds": second.ready_seconds,
        "memory_mib": second.memory_mib,
        "vectors_on_disk_bytes": vectors,
        "scrape_bytes": second.scrape_bytes,
    }


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--tenants", type=int, default=5000, help="default 5000")
    parser.add_argument("--tasks", type=int, default=3, help="of each tenant (default 3)")
    parser.add_argument("--labels", type=int, default=10, help="of each task (default 10)")
    parser.add_argument("--model", help="checkpoint folder (default: the starter)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures, the machine and the command")
    options = parser.parse_args(arguments)
    stop_cleanly_on_termination()
    with LocalKafka() as kafka, tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(measure(options, kafka.bootstrap_servers, Path(folder)))
    for name, value in found.items():
        print(f"{name:36}{value:14.1f}")
    if options.json:
        rounded = {name: round(value, 1) for name, value in found.items()}
        write_report(options.json, rounded, command_line(MODULE, arguments))


if __name__ == "__main__":
    main(sys.argv[1:])
