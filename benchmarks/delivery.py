"""What exactly once costs against at least once: the real worker on a real Kafka, with a device that only sleeps.

    python -m benchmarks.delivery [--rounds N] [--brokers N] [--json FILE] [--plot FILE]

In each round both guarantees work off a backlog, then follow a steady stream. Both are read with read_committed, so
that latency is from the producer's timestamp to the moment a reader may see the result. Each round has workers, topics
and a group of its own, and the two take turns. Needs the extra `bench`.
"""

import argparse
import asyncio
import multiprocessing
import multiprocessing.connection
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from benchmarks.kafka.sleeping import DEVICE, LABELS, TENANTS, SleepingModel, messages
from benchmarks.kafka.stream import StreamTopics, create, fill
from benchmarks.kafka.worker import worker_settings, write_policies
from benchmarks.report import command_line, plot_bars, write_report
from benchmarks.simulator.ours import calibrated
from worker.demo.local_kafka import LocalKafka

MODULE = "benchmarks.delivery"
GUARANTEES = ("at_least_once", "exactly_once")
PARTITIONS = 6
BACKLOG_MESSAGES = 8_000
STREAM_MESSAGES = 1_500
STREAM_PER_SECOND = 150.0
WARM_UP_SHARE = 0.25
READ_SECONDS = 120.0

_context = multiprocessing.get_context("spawn")


@dataclass(frozen=True, slots=True)
class Round:
    """One guarantee in one round. Latencies in milliseconds."""

    messages_per_second: float
    p50_ms: float
    p99_ms: float
    producers: int


def run_one_worker(values: dict[str, Any], most_producers: multiprocessing.connection.Connection) -> None:
    """A worker with a sleeping device, in a process of its own; says how many producers it had at once."""
    from schemas.settings import Settings
    from worker import assembly
    from worker.app import run_worker
    from worker.device.model import load_model

    alive, most = 0, 0

    class Counted(AIOKafkaProducer):
        async def start(self) -> None:
            nonlocal alive, most
            await super().start()
            alive += 1
            most = max(most, alive)

        async def stop(self) -> None:
            nonlocal alive
            alive -= 1
            await super().stop()

    async def known_cost(*_: object) -> Any:
        return calibrated(DEVICE)

    with (
        mock.patch.object(assembly, "load_model", lambda model: SleepingModel(load_model(model))),
        mock.patch.object(assembly, "_cost_model", known_cost),
        mock.patch.object(assembly, "AIOKafkaProducer", Counted),
    ):
        status = asyncio.run(run_worker(Settings(**values)))
    most_producers.send(most)
    sys.exit(status)


async def measure(bootstrap_servers: str, guarantee: str, folder: Path, options: argparse.Namespace) -> Round:
    """One worker: a backlog, then a steady stream."""
    topics = StreamTopics.unique(PARTITIONS)
    await create(bootstrap_servers, topics, replicas=options.brokers)
    await fill(bootstrap_servers, topics.input, PARTITIONS, messages(options.backlog))
    tenants = [f"tenant-{number}" for number in range(TENANTS)]
    labels = [f"label {number}" for number in range(LABELS)]
    policies = write_policies(folder / "policies.yaml", dict.fromkeys(tenants, labels), dict.fromkeys(tenants, 1.0))
    values = worker_settings(bootstrap_servers, topics, policies, {"path": options.checkpoint, "threads": 1})
    values["delivery"] = {"guarantee": guarantee}
    receiving, sending = _context.Pipe(duplex=False)
    worker = _context.Process(target=run_one_worker, args=(values, sending))
    worker.start()
    reader = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers, isolation_level="read_committed", auto_offset_reset="earliest"
    )
    await reader.start()
    try:
        reader.assign([TopicPartition(topics.output, number) for number in range(PARTITIONS)])
        seen_at = [at for at, _ in await _read(reader, options.backlog)]
        first = int(WARM_UP_SHARE * options.backlog)
        per_second = (len(seen_at) - first) / (seen_at[-1] - seen_at[first])
        stream = asyncio.create_task(_stream(bootstrap_servers, topics.input, options.stream))
        latencies_ms = [1000 * at - sent_at_ms for at, sent_at_ms in await _read(reader, options.stream)]
        await stream
    finally:
        await reader.stop()
        worker.terminate()
        await asyncio.to_thread(worker.join, 60)
        worker.kill()
    if worker.exitcode != 0 or not receiving.poll():
        raise RuntimeError(f"the worker ended with {worker.exitcode}; its log says why")
    cuts = statistics.quantiles(latencies_ms[len(latencies_ms) // 10 :], n=100)
    return Round(per_second, cuts[49], cuts[98], receiving.recv())


async def _stream(bootstrap_servers: str, topic: str, count: int) -> None:
    """Messages at an even rate, whatever becomes of them."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers)
    await producer.start()
    try:
        began, sent = time.monotonic(), []
        for number, value in enumerate(messages(count)):
            await asyncio.sleep(max(0.0, began + number / STREAM_PER_SECOND - time.monotonic()))
            sent.append(await producer.send(topic, value, key=b"%d" % number, partition=number % PARTITIONS))
        await asyncio.gather(*sent)
    finally:
        await producer.stop()


async def _read(reader: AIOKafkaConsumer, count: int) -> list[tuple[float, int]]:
    """When each of the next `count` results was seen (seconds since the epoch), and its source's timestamp in ms."""
    import orjson

    seen: list[tuple[float, int]] = []
    async with asyncio.timeout(READ_SECONDS):
        while len(seen) < count:
            found = await reader.getmany(timeout_ms=100)
            now = time.time()
            seen += [
                (now, orjson.loads(record.value or b"")["source"]["timestamp_ms"])
                for records in found.values()
                for record in records
            ]
    return seen


def summary(rounds: dict[str, list[Round]]) -> dict[str, float]:
    """Medians over the rounds, and of what exactly once adds in each pair."""
    figures: dict[str, float] = {}
    for guarantee, each in rounds.items():
        for name in ("messages_per_second", "p50_ms", "p99_ms", "producers"):
            figures[f"{guarantee}_{name}"] = statistics.median(getattr(one, name) for one in each)
    pairs = list(zip(rounds["at_least_once"], rounds["exactly_once"], strict=True))
    figures["throughput_ratio"] = statistics.median(b.messages_per_second / a.messages_per_second for a, b in pairs)
    figures["added_p50_ms"] = statistics.median(b.p50_ms - a.p50_ms for a, b in pairs)
    figures["added_p99_ms"] = statistics.median(b.p99_ms - a.p99_ms for a, b in pairs)
    return {name: round(value, 3) for name, value in figures.items()}


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="of each guarantee (default 5)")
    parser.add_argument("--brokers", type=int, choices=(1, 3), default=1, help="with three each topic has 3 replicas")
    parser.add_argument("--backlog", type=int, default=BACKLOG_MESSAGES, help=f"messages (default {BACKLOG_MESSAGES})")
    parser.add_argument("--stream", type=int, default=STREAM_MESSAGES, help=f"messages (default {STREAM_MESSAGES})")
    parser.add_argument("--checkpoint", help="whose tokenizer to use (default: the starter)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures, the machine and the command")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the latencies")
    options = parser.parse_args(arguments)
    rounds: dict[str, list[Round]] = {guarantee: [] for guarantee in GUARANTEES}
    with LocalKafka(brokers=options.brokers) as kafka, tempfile.TemporaryDirectory() as folder:
        for number in range(options.rounds):
            for guarantee in GUARANTEES if number % 2 == 0 else GUARANTEES[::-1]:
                one = asyncio.run(measure(kafka.bootstrap_servers, guarantee, Path(folder), options))
                rounds[guarantee].append(one)
                print(f"{number + 1} {guarantee:14} {one}", flush=True)
    figures = summary(rounds)
    for name, value in figures.items():
        print(f"{name:36}{value:12.3f}")
    if options.json:
        write_report(options.json, figures, command_line(MODULE, arguments))
    if options.plot:
        shown = {name: value for name, value in figures.items() if name.endswith("_ms")}
        plot_bars(options.plot, "Delivery guarantees: latency to a reader of committed records", shown, x_label="ms")


if __name__ == "__main__":
    main(sys.argv[1:])
