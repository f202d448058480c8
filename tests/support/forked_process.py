"""Processes forked from one that has torch and transformers loaded: real ones that are there in a second.

A command line spends ten seconds of CPU on imports, and a suite that starts a hundred workers would measure those. What
runs in the fork is `gliclass-worker` with its arguments, through its own entry point.
"""

import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import forkserver
from pathlib import Path

LOADED_BEFOREHAND = ["worker.app", "worker.cli", "transformers.models.bert.modeling_bert", "pytest"]
DIE_WITH_PARENT = 1  # Linux' PR_SET_PDEATHSIG

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(LOADED_BEFOREHAND)


def start_server() -> None:
    """Let the process that will be forked load everything now, beside what the tests do first."""
    forkserver.ensure_running()


class ForkedProcess:
    """`gliclass-worker` with these arguments, with the methods of `subprocess.Popen` that tests use.

    Its output is appended to the two files. `prepare` runs in it before the command does, as to build a fault in; a
    function of a module, or a partial one.
    """

    def __init__(
        self, arguments: Sequence[str], stdout: Path, stderr: Path, prepare: Callable[[], None] | None = None
    ) -> None:
        for file in (stdout, stderr):
            file.touch()  # as whoever looks into it at once expects
        # The server that forks has the environment of whichever test came first.
        given = (list(arguments), stdout, stderr, dict(os.environ), prepare)
        # Daemonic: Python ends it when the tests end, whatever became of them.
        self._process = _context.Process(target=_run, args=given, daemon=True)
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        status = self._process.exitcode
        if status is None:
            raise TimeoutError(f"process {self.pid} still runs after {timeout} s")
        return status

    def send_signal(self, sig: int) -> None:
        os.kill(self.pid, sig)

    def kill(self) -> None:
        self._process.kill()


def forked_worker(config_file: Path, log_file: Path, prepare: Callable[[], None] | None = None) -> ForkedProcess:
    """A worker, both of its outputs in one file."""
    return ForkedProcess(["run", "--config", str(config_file)], log_file, log_file, prepare)


def run_forked(folder: Path, *arguments: str, timeout_seconds: float = 60.0) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; `folder` receives what it writes."""
    stdout, stderr = folder / "stdout", folder / "stderr"
    for file in (stdout, stderr):
        file.unlink(missing_ok=True)
    status = ForkedProcess(arguments, stdout, stderr).wait(timeout_seconds)
    return subprocess.CompletedProcess(arguments, status, stdout.read_text(), stderr.read_text())


def _run(
    arguments: list[str],
    stdout: Path,
    stderr: Path,
    environment: Mapping[str, str],
    prepare: Callable[[], None] | None,
) -> None:
    ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)
    os.environ.clear()
    os.environ.update(environment)
    for file, stream in ((stdout, sys.stdout), (stderr, sys.stderr)):
        with file.open("ab") as opened:
            os.dup2(opened.fileno(), stream.fileno())
    if prepare is not None:
        prepare()
    from worker.cli import main

    sys.argv = ["gliclass-worker", *arguments]
    main()
