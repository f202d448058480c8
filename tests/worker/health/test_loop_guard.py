"""The guard ends its process, so it watches the loop of another one."""

import subprocess
import sys

PROGRAM = """
import asyncio, sys, time
from functools import partial
from worker.health.loop_guard import LoopGuard
from worker.health.stopping import exit_hard

async def main():
    guard = asyncio.create_task(LoopGuard(1, partial(exit_hard, dump_stacks=True)).run())
    await asyncio.sleep(2.5)
    if sys.argv[1] == "stuck":
        blocks_the_loop()
    guard.cancel()

def blocks_the_loop():
    time.sleep(60)

asyncio.run(main())
"""


def ended(how: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, timeout=50)


def test_a_loop_that_no_longer_turns_ends_the_process_and_shows_where_it_stood():
    process = ended("stuck")
    assert process.returncode == 70
    assert "the event loop has not turned for 1 s" in process.stdout
    assert "blocks_the_loop" in process.stderr


def test_a_loop_that_turns_is_left_alone_and_the_guard_ends_with_it():
    process = ended("turning")
    assert (process.returncode, process.stdout, process.stderr) == (0, "", "")
