"""The worker processes of the demo: started as a user would, watched, stopped in order."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import yaml

from worker.demo.guardian import Guardian
from worker.demo.kafka_properties import free_ports
from worker.errors import WorkerError

_LOG_TAIL_LINES = 25
# What the demo decides in its own file must not be overruled by variables set for another worker.
_KEPT_VARIABLES = ("GLICLASS_MODEL__", "GLICLASS_BATCHING__", "GLICLASS_TELEMETRY__")


class WorkerProcessError(WorkerError):
    """A worker process ended, or does not get ready; the message has the end of its log."""


@dataclass(frozen=True, slots=True)
class WorkerProcess:
    name: str
    process: subprocess.Popen[bytes]
    admin_port: int
    log: Path

    def log_tail(self) -> str:
        return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-_LOG_TAIL_LINES:])

    def latest_event(self) -> str:
        """The last line of the log without its time; empty before the first one."""
        _, _, event = self.log.read_text("utf-8", "replace").rstrip().rpartition("\n")[2].partition(" ")
        return " ".join(event.split())


class Workers:
    """`count` processes of `gliclass-worker run` in one consumer group, with their files in `directory`."""

    def __init__(self, directory: Path, guardian: Guardian, settings: Mapping[str, Any], count: int) -> None:
        self._guardian = guardian
        self._processes = [
            self._start(directory, f"worker-{number}", settings, port)
            for number, port in enumerate(free_ports(count), start=1)
        ]

    async def wait_ready(self, timeout_seconds: float, *, report: Callable[[str], None]) -> None:
        """Return when every worker's /readyz says so; raises WorkerProcessError when one ends or the time is up.

        `report` receives what the first of them logs meanwhile.
        """
        deadline = time.monotonic() + timeout_seconds
        waiting = list(self._processes)
        said = ""
        while waiting:
            self.check_alive()
            if (latest := waiting[0].latest_event()) != said:
                report(f"{waiting[0].name}: {latest}")
                said = latest
            waiting = [worker for worker in waiting if not await asyncio.to_thread(_ready, worker.admin_port)]
            if waiting and time.monotonic() > deadline:
                worker = waiting[0]
                raise WorkerProcessError(
                    f"{worker.name} is not ready after {timeout_seconds:.0f} s; end of its log:\n{worker.log_tail()}"
                )
            await asyncio.sleep(0.1)

    def check_alive(self) -> None:
        """Raise WorkerProcessError when a worker has ended that nobody asked to."""
        for worker in self._processes:
            if (status := worker.process.poll()) is not None:
                self._guardian.unwatch(worker.process.pid)
                raise WorkerProcessError(f"{worker.name} {_ended(status)}; end of its log:\n{worker.log_tail()}")

    async def stop(self, timeout_seconds: float) -> None:
        """SIGTERM to all, and wait; WorkerProcessError when one takes longer (it is killed then) or says it failed."""
        self.check_alive()
        for worker in self._processes:
            worker.process.terminate()
        deadline = time.monotonic() + timeout_seconds
        failures: list[str] = []
        for worker in self._processes:
            try:
                remaining = max(0.0, deadline - time.monotonic())
                status = await asyncio.to_thread(worker.process.wait, remaining)
                self._guardian.unwatch(worker.process.pid)
            except subprocess.TimeoutExpired:
                failures.append(f"{worker.name} did not stop within {timeout_seconds:.0f} s of SIGTERM")
                continue
            if status != 0:
                failures.append(f"{worker.name} {_ended(status)} on SIGTERM; end of its log:\n{worker.log_tail()}")
        if failures:
            raise WorkerProcessError("\n".join(failures))

    def kill(self) -> None:
        """End whatever still runs."""
        for worker in self._processes:
            if worker.process.poll() is None:
                os.killpg(worker.process.pid, signal.SIGKILL)
                worker.process.wait()
                self._guardian.unwatch(worker.process.pid)

    def _start(self, directory: Path, name: str, settings: Mapping[str, Any], admin_port: int) -> WorkerProcess:
        config = directory / f"{name}.yaml"
        own = {"admin": {"port": admin_port}, "kafka": {**settings["kafka"], "client_id": name}}
        config.write_text(yaml.safe_dump({**settings, **own}), "utf-8")
        log = directory / f"{name}.log"
        with log.open("wb") as stream:
            process = subprocess.Popen(
                [sys.executable, "-m", "worker.cli", "run", "--config", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env=worker_environment(os.environ),
                start_new_session=True,  # Ctrl-C is for the demo, which stops its workers in order
            )
        self._guardian.watch(process.pid)
        return WorkerProcess(name, process, admin_port, log)


def worker_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """The environment without settings that would lead a worker away from the demo's Kafka and topics."""
    return {
        name: value
        for name, value in variables.items()
        if not name.upper().startswith("GLICLASS_") or name.upper().startswith(_KEPT_VARIABLES)
    }


def _ready(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as response:
            return response.status == 200
    except (URLError, OSError):
        return False


def _ended(status: int) -> str:
    return f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
