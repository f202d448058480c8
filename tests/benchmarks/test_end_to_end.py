"""The systems of the end-to-end benchmark run on a real Kafka, on arrivals that can be repeated."""

import asyncio
from pathlib import Path

import pytest

from benchmarks.end_to_end import arrivals, material
from benchmarks.kafka.peers import KINDS
from benchmarks.kafka.systems import Running, System
from worker.demo.local_kafka import LocalKafka


def test_arrivals_have_the_rate_and_can_be_repeated():
    times = arrivals(50.0, 100.0, seed=3)
    assert times == sorted(times) == arrivals(50.0, 100.0, seed=3)
    assert len(times) == pytest.approx(5000, rel=0.05)
    assert max(times) < 100.0


@pytest.mark.integration
@pytest.mark.timeout(300)
async def test_every_system_answers_a_backlog_and_timed_messages(kafka: LocalKafka, tmp_path: Path):
    given = await asyncio.to_thread(material, tmp_path, 1)
    systems = [System("worker", "worker"), *(System(kind, kind, batch_messages=4) for kind in KINDS)]
    running = [Running(system, kafka.bootstrap_servers, given, tmp_path / system.name) for system in systems]
    try:
        await asyncio.gather(*(one.start(8, 200.0) for one in running))
        for one in running:
            appended = await one.work_off(12, 60.0)
            assert [each.place for each in appended] == list(range(12))
            on_time_percent, lateness_seconds = await one.keep_up([0.0, 0.1, 0.2, 0.3], 60.0)
            assert on_time_percent in (0.0, 25.0, 50.0, 75.0, 100.0)
            assert lateness_seconds >= 0.0
    finally:
        await asyncio.gather(*(one.stop() for one in running))
