"""Options of the fault suite, known wherever pytest is started from, what workers under test share, and hypothesis
without deadlines: no test asserts how long something took."""

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from support.faults import report

from worker.demo.local_kafka import LocalKafka

settings.register_profile("without deadlines", deadline=None)
settings.load_profile("without deadlines")

# For torch, which reads it once, and for every process that a test starts: on models this small, threads of one
# operator mostly wait for each other, and on a busy machine for a processor.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("faults")
    group.addoption(
        "--fault-seed", type=int, default=random.randrange(1_000_000), help="of every random choice; printed"
    )
    group.addoption("--fault-report", metavar="FILE", help="append each fault run to FILE and print the matrix of it")
    group.addoption("--soak-minutes", type=float, default=5.0, help="length of the soak (default: 5)")
    group.addoption("--hostile-records", type=int, help="generated records without a broker (default: 20000)")


@pytest.fixture(scope="session")
def kafka() -> Iterator[LocalKafka]:
    """A running Apache Kafka with one broker: topics and groups have unique names. Who stops one starts his own."""
    with LocalKafka() as running:
        yield running


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model of which only the path through the worker matters."""
    from support.tiny_checkpoint import write_tiny_checkpoint  # with torch, which not every test need wait for

    return write_tiny_checkpoint(tmp_path_factory.mktemp("checkpoint"), architecture="bi-encoder")


def pytest_report_header(config: pytest.Config) -> str:
    return f"fault seed: {config.getoption('--fault-seed')}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    file: str | None = config.getoption("--fault-report")
    if file is not None and Path(file).exists():
        terminalreporter.section("fault matrix")
        terminalreporter.write_line(report.matrix(report.load(Path(file))))
