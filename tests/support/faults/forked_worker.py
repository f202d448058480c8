"""Workers forked from a process that has torch and transformers loaded: real processes that are there in a second.

A worker from the command line spends ten seconds of CPU on imports, and a test that kills fifty of them would measure
those. What runs in the fork is the command `gliclass-worker run`, through its own entry point.
"""

import asyncio
import ctypes
import json
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

LOADED_BEFOREHAND = ["worker.app", "worker.cli", "transformers.models.bert.modeling_bert", "pytest"]
DIE_WITH_PARENT = 1  # Linux' PR_SET_PDEATHSIG
SLOWNESS_FILE = "seconds_per_text.json"
EARLY_FILE = "commits_early"
TASKS_METRIC = "test_asyncio_tasks"

_context = multiprocessing.get_context("forkserver")


class ForkedProcess:
    """A forked worker with the methods of `subprocess.Popen` that tests use.

    `prepare` runs in it before the worker does, as to build a fault in; a function of a module.
    """

    def __init__(self, config_file: Path, log_file: Path, prepare: Callable[[], None] | None = None) -> None:
        _context.set_forkserver_preload(LOADED_BEFOREHAND)
        # Daemonic: Python ends it when the tests end, whatever became of them.
        self._process = _context.Process(target=_run, args=(config_file, log_file, prepare), daemon=True)
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
            raise TimeoutError(f"worker {self.pid} still runs after {timeout} s")
        return status

    def send_signal(self, sig: int) -> None:
        os.kill(self.pid, sig)

    def kill(self) -> None:
        self._process.kill()


def slow_down(folder: Path, seconds_per_text: float) -> None:
    """Let the model of every worker with its settings in this folder take this long for each text, from now on."""
    written = folder / f"{SLOWNESS_FILE}.new"
    written.write_text(json.dumps(seconds_per_text))
    written.replace(folder / SLOWNESS_FILE)


def commit_early(folder: Path) -> None:
    """Let every worker started from now on with its settings in this folder commit what it has only just received."""
    (folder / EARLY_FILE).touch()


def _run(config_file: Path, log_file: Path, prepare: Callable[[], None] | None) -> None:
    ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)
    with log_file.open("ab") as log:
        os.dup2(log.fileno(), sys.stdout.fileno())
        os.dup2(log.fileno(), sys.stderr.fileno())
    _make_slow(config_file.parent / SLOWNESS_FILE)
    _count_tasks()
    if (config_file.parent / EARLY_FILE).exists():
        _commit_early()
    if prepare is not None:
        prepare()
    from worker.cli import main

    sys.argv = ["gliclass-worker", "run", "--config", str(config_file)]
    main()


def _make_slow(file: Path) -> None:
    """Let scoring sleep as the file says: a device that takes its time without taking the test machine's."""
    from model.scorer import Scorer

    score = Scorer.score

    def slow_score(self: Scorer, batch: Any) -> Any:
        began_at = time.monotonic()
        scores = score(self, batch)
        seconds = len(batch) * json.loads(file.read_text()) if file.exists() else 0.0
        time.sleep(max(0.0, seconds - (time.monotonic() - began_at)))
        return scores

    Scorer.score = slow_score


def _count_tasks() -> None:
    """Let /metrics tell how many tasks the worker's event loop has."""
    from prometheus_client import Gauge

    from worker import app
    from worker.telemetry.metrics import Metrics

    class MetricsWithTasks(Metrics):
        def __init__(self) -> None:
            super().__init__()
            loop = asyncio.get_running_loop()
            tasks = Gauge(TASKS_METRIC, "Tasks of the event loop.", registry=self.registry)
            tasks.set_function(lambda: len(asyncio.all_tasks(loop)))

    app.Metrics = MetricsWithTasks


def _commit_early() -> None:
    """The mistake that the suite is there to find: the watermark is where reading is."""
    from worker.in_flight.offset_tracker import OffsetTracker

    early = property(lambda self: self.position if self.position > self._committed else None)
    patch.multiple(OffsetTracker, watermark=property(lambda self: self.position), uncommitted=early).start()
