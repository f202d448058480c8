"""Sends a plan of messages at their intended times, from a process of its own, and says how late it was.

    python -m benchmarks.kafka.producer --plan FILE

A record's timestamp is its intended time, so that latency counts from there however late the send was.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from aiokafka import AIOKafkaProducer


@dataclass(frozen=True, slots=True)
class Plan:
    """Where to send what, and when, in seconds from the start."""

    bootstrap_servers: str
    topic: str
    partitions: int
    start_ms: int
    at_seconds: list[float]
    values: list[str]

    def write(self, file: Path) -> None:
        file.write_text(json.dumps(asdict(self)))


async def send(plan: Plan) -> list[float]:
    """Seconds that each message was sent after its intended time; all are acknowledged."""
    producer = AIOKafkaProducer(bootstrap_servers=plan.bootstrap_servers)
    await producer.start()
    lateness, pending = [], []
    try:
        for number, (at, value) in enumerate(zip(plan.at_seconds, plan.values, strict=True)):
            intended = plan.start_ms / 1000 + at
            await asyncio.sleep(max(0.0, intended - time.time()))
            future = await producer.send(
                plan.topic,
                value.encode(),
                partition=number % plan.partitions,
                timestamp_ms=int(1000 * intended),
            )
            lateness.append(time.time() - intended)
            pending.append(future)
        await asyncio.gather(*pending)
    finally:
        await producer.stop()
    return lateness


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kafka.producer")
    parser.add_argument("--plan", type=Path, required=True)
    plan = Plan(**json.loads(parser.parse_args(arguments).plan.read_text()))
    lateness = sorted(asyncio.run(send(plan)))
    print(json.dumps({"lateness_p99_seconds": lateness[int(0.99 * len(lateness))] if lateness else 0.0}))


if __name__ == "__main__":
    main(sys.argv[1:])
