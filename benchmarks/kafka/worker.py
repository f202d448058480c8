"""A worker as users run it, for a measurement: its settings, its policies, its process."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from benchmarks.kafka.stream import StreamTopics

STOP_SECONDS = 40.0
LOG_CHARACTERS = 2000
NOTHING_MORE: Mapping[str, str] = {}
NOT_INHERITED = ("GLICLASS_", "OMP_", "GOMP_", "KMP_")


def worker_settings(
    bootstrap_servers: str, topics: StreamTopics, policies: Path, model: Mapping[str, Any]
) -> dict[str, Any]:
    """The defaults, but for the memory of repeated texts: in a measurement texts repeat or all differ."""
    return {
        "kafka": {"bootstrap_servers": [bootstrap_servers], "group_id": topics.prefix},
        "input": {"topics": [topics.input]},
        "output": {"topic": topics.output, "dead_letter_topic": topics.dead_letters},
        "policies": {"file": str(policies)},
        "model": dict(model),
        "batching": {"duplicate_memory_messages": 0},
        "admin": {"port": 0},
        "telemetry": {"log_level": "warning", "log_format": "json"},
    }


def write_policies(file: Path, labels: Mapping[str, Sequence[str]], budgets_seconds: Mapping[str, float]) -> Path:
    """Write the policies of tenants with one task each, of these labels."""
    tenants = {
        tenant: {
            "latency_budget_seconds": budgets_seconds[tenant],
            "tasks": {"labels": {"mode": "multi", "threshold": 0.5, "labels": list(names)}},
        }
        for tenant, names in labels.items()
    }
    file.write_text(yaml.safe_dump({"tenants": tenants}))
    return file


def start_worker(
    settings: Mapping[str, Any],
    folder: Path,
    name: str,
    threads: int | None,
    environment: Mapping[str, str] = NOTHING_MORE,
) -> "subprocess.Popen[bytes]":
    """Start a worker process with these settings."""
    config = folder / f"{name}.yaml"
    config.write_text(yaml.safe_dump(dict(settings)))
    return start_module(["worker.cli", "run", "--config", str(config)], folder, name, threads, environment)


def start_module(
    arguments: Sequence[str],
    folder: Path,
    name: str,
    threads: int | None,
    environment: Mapping[str, str] = NOTHING_MORE,
) -> "subprocess.Popen[bytes]":
    """Start `python -m` with these arguments; its log is `name`.log in the folder, its cache beside the folder.

    `threads`: of OpenMP; None leaves them to the process. `environment` goes last.
    """
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(NOT_INHERITED)}
    inherited |= {"XDG_CACHE_HOME": str(folder.parent / "cache")}
    inherited |= {"OMP_NUM_THREADS": str(threads)} if threads is not None else {}
    with (folder / f"{name}.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", *arguments], stdout=log, stderr=subprocess.STDOUT, env=inherited | dict(environment)
        )


def stop_cleanly_on_termination() -> None:
    """Let SIGTERM end this process as an exit does, so that what it started is ended too."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))


def end(processes: Sequence["subprocess.Popen[bytes]"]) -> list[int]:
    """Stop the processes as a user does, killing those that do not; their exit statuses."""
    for process in processes:
        process.send_signal(signal.SIGTERM)
    for process in processes:
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return [process.returncode for process in processes]


def logs(folder: Path) -> str:
    """The ends of the logs in the folder."""
    files = sorted(folder.glob("*.log"))
    return "\n".join(file.read_text(errors="replace")[-LOG_CHARACTERS:] for file in files)
