"""The worker of the fault suite: its model takes its time as told, its tasks are counted, a mistake can be built in."""

import asyncio
import json
import time
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from support.forked_process import ForkedProcess, forked_worker

SLOWNESS_FILE = "seconds_per_text.json"
EARLY_FILE = "commits_early"
LABELS_FILE = "seconds_per_label.json"
TASKS_METRIC = "test_asyncio_tasks"


def fault_worker(config_file: Path, log_file: Path) -> ForkedProcess:
    """How `WorkerProcess` launches it."""
    return forked_worker(config_file, log_file, partial(_prepare, config_file.parent))


def slow_down(folder: Path, seconds_per_text: float) -> None:
    """Let the model of every worker with its settings in this folder take this long for each text, from now on."""
    written = folder / f"{SLOWNESS_FILE}.new"
    written.write_text(json.dumps(seconds_per_text))
    written.replace(folder / SLOWNESS_FILE)


def slow_labels_down(folder: Path, seconds_per_label: float, patience_seconds: float) -> None:
    """Let a label tower of every worker started from now on with its settings in this folder take this long for each
    label, and let the worker hold a device for broken that keeps it waiting longer than its patience."""
    (folder / LABELS_FILE).write_text(json.dumps([seconds_per_label, patience_seconds]))


def commit_early(folder: Path) -> None:
    """Let every worker started from now on with its settings in this folder commit what it has only just received."""
    (folder / EARLY_FILE).touch()


def _prepare(folder: Path) -> None:
    _make_slow(folder / SLOWNESS_FILE)
    _count_tasks()
    if (folder / LABELS_FILE).exists():
        _make_labels_slow(*json.loads((folder / LABELS_FILE).read_text()))
    if (folder / EARLY_FILE).exists():
        _commit_early()


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


def _make_labels_slow(seconds_per_label: float, patience_seconds: float) -> None:
    from model.architectures.bi_encoder import BiEncoder
    from worker.device import thread

    label_vectors = BiEncoder.label_vectors

    def slow_vectors(self: BiEncoder, prompts: Any) -> Any:
        time.sleep(seconds_per_label * sum(len(prompt.labels) for prompt in prompts))
        return label_vectors(self, prompts)

    BiEncoder.label_vectors = slow_vectors
    thread.STUCK_SECONDS_LEAST = patience_seconds


def _count_tasks() -> None:
    """Let /metrics tell how many tasks the worker's event loop has."""
    from prometheus_client import Gauge

    from worker import app
    from worker.telemetry.metrics import Metrics

    class MetricsWithTasks(Metrics):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            loop = asyncio.get_running_loop()
            tasks = Gauge(TASKS_METRIC, "Tasks of the event loop.", registry=self.registry)
            tasks.set_function(lambda: len(asyncio.all_tasks(loop)))

    app.Metrics = MetricsWithTasks


def _commit_early() -> None:
    """The mistake that the suite is there to find: the watermark is where reading is."""
    from worker.in_flight.offset_tracker import OffsetTracker

    early = property(lambda self: self.position if self.position > self._committed else None)
    patch.multiple(OffsetTracker, watermark=property(lambda self: self.position), uncommitted=early).start()
