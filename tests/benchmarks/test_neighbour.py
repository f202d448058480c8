"""The benchmark beside a busy process: its arithmetic, and one round on a small model."""

import argparse
import subprocess
from pathlib import Path

import pytest
from support.tiny_checkpoint import write_tiny_checkpoint

from benchmarks import neighbour
from benchmarks.kafka.systems import Appended
from benchmarks.neighbour import LIBRARY, SHIPPED, Round, figures, measure, neighbours, rate
from worker.demo.local_kafka import LocalKafka


def test_a_rate_is_that_between_the_first_result_and_the_last():
    assert rate([Appended(3000, 0), Appended(1000, 1), Appended(2000, 2)]) == 1.0


def test_figures_are_medians_and_ratios_those_of_each_round():
    rounds = [
        Round({SHIPPED: 100, LIBRARY: 100}, {SHIPPED: 60, LIBRARY: 10}),
        Round({SHIPPED: 300, LIBRARY: 200}, {SHIPPED: 150, LIBRARY: 20}),
        Round({SHIPPED: 200, LIBRARY: 400}, {SHIPPED: 140, LIBRARY: 8}),
    ]
    found = figures(rounds)
    assert found["shipped_alone_messages_per_second"] == 200
    assert found["shipped_kept_beside"] == 0.6
    assert found["library_kept_beside"] == 0.1
    assert found["shipped_to_library_alone"] == 1.0


def test_neighbours_are_gone_afterwards(monkeypatch: pytest.MonkeyPatch):
    started: list[subprocess.Popen[bytes]] = []
    real = subprocess.Popen

    def popen(command: list[str]) -> "subprocess.Popen[bytes]":
        started.append(real(command))
        return started[-1]

    monkeypatch.setattr(neighbour.subprocess, "Popen", popen)
    with neighbours(2):
        assert [process.poll() for process in started] == [None, None]
    assert [process.poll() for process in started] == [-9, -9]


@pytest.mark.integration
@pytest.mark.timeout(300)
async def test_both_workers_take_turns_alone_and_beside_a_neighbour(kafka: LocalKafka, tmp_path: Path):
    options = argparse.Namespace(model=str(write_tiny_checkpoint(tmp_path / "tiny")), messages=12, rounds=1, busy=1)
    (only,) = await measure(options, kafka.bootstrap_servers, tmp_path / "workers")
    assert only.alone.keys() == only.beside.keys() == {SHIPPED, LIBRARY}
    assert all(value > 0 for value in (*only.alone.values(), *only.beside.values()))
