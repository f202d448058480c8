import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from worker.demo.guardian import Guardian

SLEEPER = [sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)"]

PARENT = """
import os, subprocess, sys, time
sys.path.insert(0, sys.argv[3])
from worker.demo.guardian import Guardian
child = subprocess.Popen([sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)"], start_new_session=True)
Guardian(sys.argv[1]).watch(child.pid)
open(sys.argv[2], "w").write(str(child.pid))
os.rename(sys.argv[2], sys.argv[2] + ".ready")
time.sleep(600)
"""


def test_closing_ends_the_watched_processes_and_removes_the_folder(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    directory.mkdir()
    (directory / "file").write_text("x")
    guardian = Guardian(directory)
    child = subprocess.Popen(SLEEPER, start_new_session=True)
    guardian.watch(child.pid)

    guardian.close()
    guardian.close()

    assert child.wait(30) == -signal.SIGKILL
    assert not directory.exists()


def test_a_process_that_was_waited_for_is_left_alone(tmp_path: Path) -> None:
    guardian = Guardian(tmp_path / "data")
    child = subprocess.Popen(SLEEPER, start_new_session=True)
    guardian.watch(child.pid)
    guardian.unwatch(child.pid)

    guardian.close()

    assert child.poll() is None
    child.kill()
    child.wait(30)


def test_a_watched_process_that_is_gone_does_not_keep_the_others_alive(tmp_path: Path) -> None:
    guardian = Guardian(tmp_path / "data")
    gone, child = (subprocess.Popen(SLEEPER, start_new_session=True) for _ in range(2))
    for process in (gone, child):
        guardian.watch(process.pid)
    gone.kill()
    gone.wait(30)

    guardian.close()

    assert child.wait(30) == -signal.SIGKILL


def test_children_die_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    directory.mkdir()
    note = tmp_path / "pid"
    root = str(Path(__file__).parents[3])
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(directory), str(note), root])
    ready = Path(f"{note}.ready")
    _wait_until(ready.exists)
    child = int(ready.read_text())

    parent.kill()
    parent.wait(30)

    _wait_until(lambda: not _alive(child))
    _wait_until(lambda: not directory.exists())


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


def _wait_until(condition) -> None:
    while not condition():  # the run's own time limit ends a test that waits for ever
        time.sleep(0.02)
