"""A real worker process under test: start it, ask its admin port, stop or kill it, read its log."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import yaml
from support.eventually import POLL_SECONDS, eventually
from support.forked_process import forked_worker

from worker.demo.kafka_properties import free_ports

READY_SECONDS = 90.0
STOP_SECONDS = 40.0


class Process(Protocol):
    """What a test does with a running worker; `subprocess.Popen` is one."""

    @property
    def pid(self) -> int: ...
    @property
    def returncode(self) -> int | None: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, sig: int) -> None: ...
    def kill(self) -> None: ...


Launch = Callable[[Path, Path], Process]
"""Starts a worker, given its settings file and the file for its log."""


def from_command_line(config_file: Path, log_file: Path) -> Process:
    """A worker from the command line, as users start it: every suite has one, for what a fork cannot show."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with log_file.open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "worker.cli", "run", "--config", str(config_file)],
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
        )


class WorkerProcess:
    """`gliclass-worker run` with a settings file of its own. Use as a context manager: it is killed at the end.

    It is forked, which saves it ten seconds of imports, unless `launch` says otherwise.
    """

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, Any],
        name: str = "worker",
        launch: Launch = forked_worker,
    ) -> None:
        self._launch = launch
        self.port = free_ports(1)[0]
        self.log_file = folder / f"{name}.log"
        self._config_file = folder / f"{name}.yaml"
        merged = {
            **settings,
            "admin": {"port": self.port},
            "telemetry": {"log_format": "json", **settings.get("telemetry", {})},
        }
        self._config_file.write_text(yaml.safe_dump(merged))
        self._process: Process | None = None

    def __enter__(self) -> "WorkerProcess":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    @property
    def events(self) -> list[dict[str, Any]]:
        """The lines of the log that are JSON."""
        return [json.loads(line) for line in self.log.splitlines() if line.startswith("{")]

    def start(self) -> "WorkerProcess":
        self._process = self._launch(self._config_file, self.log_file)
        return self

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of an admin page; status 0 while the port is closed."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def wait_ready(self, timeout_seconds: float = READY_SECONDS) -> "WorkerProcess":
        """Wait until /readyz answers 200; fails with the end of the log."""
        until = time.monotonic() + timeout_seconds
        while self.get("/readyz")[0] != 200:
            assert self._process is not None
            assert self._process.poll() is None, (
                f"the worker ended with {self._process.returncode}:\n{self.log[-4000:]}"
            )
            assert time.monotonic() < until, f"not ready: {self.get('/readyz')}\n{self.log[-4000:]}"
            time.sleep(POLL_SECONDS)
        return self

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that carry these labels; 0 when there is none."""
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        total = 0.0
        for line in self.get("/metrics")[1].splitlines():
            series, _, value = line.rpartition(" ")
            if series.partition("{")[0] == name and all(label in series for label in wanted):
                total += float(value)
        return total

    async def assigned(self, partitions: int, timeout_seconds: float = READY_SECONDS) -> None:
        """Wait until it has so many partitions."""
        await eventually(
            lambda: self.metric("gliclass_assigned_partitions"),
            lambda number: number == partitions,
            what=f"{partitions} partitions of {self.log_file.stem}",
            timeout_seconds=timeout_seconds,
        )

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self, timeout_seconds: float = STOP_SECONDS) -> int:
        """The exit status."""
        assert self._process is not None
        return self._process.wait(timeout_seconds)

    def terminate(self) -> int:
        """SIGTERM, then the exit status."""
        self.send(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """SIGKILL, if it still runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(10)
