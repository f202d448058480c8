"""Signals are sent to a process of their own: what is tested ends it."""

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import asyncio, sys
from worker.health.stopping import StopSignal

async def main(budget_seconds, drain_seconds):
    stop = StopSignal(budget_seconds)
    stop.install()
    print("installed", flush=True)
    await stop.requested()
    print("draining", flush=True)
    await asyncio.sleep(drain_seconds)
    stop.close()
    print("drained", flush=True)
    await asyncio.sleep(float(sys.argv[3]))

asyncio.run(main(float(sys.argv[1]), float(sys.argv[2])))
"""


def started(budget_seconds: float, drain_seconds: float, after_seconds: float = 0.0) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(budget_seconds), str(drain_seconds), str(after_seconds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    expect(process, "installed")
    return process


def expect(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(word):
            return
    raise AssertionError(f"the process ended without saying {word!r}")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_lets_the_drain_end(number: signal.Signals):
    with started(budget_seconds=30, drain_seconds=0.2) as process:
        process.send_signal(number)
        expect(process, "drained")
        assert process.wait(20) == 0


def test_the_second_signal_leaves_at_once():
    with started(budget_seconds=60, drain_seconds=60) as process:
        process.send_signal(signal.SIGTERM)
        expect(process, "draining")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 70


def test_the_end_of_the_budget_leaves_and_shows_where_every_thread_was():
    with started(budget_seconds=0.3, drain_seconds=60) as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 70
        assert process.stderr is not None
        assert "most recent call first" in process.stderr.read()


def test_a_process_that_lives_on_after_the_worker_is_not_ended_by_its_budget():
    with started(budget_seconds=0.5, drain_seconds=0.05, after_seconds=1.5) as process:
        process.send_signal(signal.SIGTERM)
        expect(process, "drained")
        assert process.wait(20) == 0
