"""One cluster of three brokers for all fault tests; topics, group and workers are each test's own."""

import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.faults import report
from support.faults import run as runs
from support.faults.cluster import Cluster
from support.faults.run import Run

Opener = Callable[..., AbstractAsyncContextManager[Run]]


@pytest.fixture(scope="session")
def fault_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Workers that calibrate their device once for all tests, and do not touch the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def cluster(fault_environment: None) -> Iterator[Cluster]:
    with Cluster() as running:
        yield running


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    """Random numbers of this test alone: the seed of the session and the test's name give them again."""
    return random.Random(f"{request.config.getoption('--fault-seed')} {request.node.nodeid}")


@pytest.fixture
def open_run(
    cluster: Cluster, checkpoint: Path, tmp_path: Path, rng: random.Random, request: pytest.FixtureRequest
) -> Opener:
    """Opens a run in a delivery mode; when the test fails, the brokers' logs are put beside the workers'."""

    @asynccontextmanager
    async def opened(mode: str, **options: Any) -> AsyncIterator[Run]:
        async with runs.open_run(cluster, tmp_path, options.pop("checkpoint", checkpoint), mode, rng, **options) as run:
            try:
                yield run
            except BaseException:
                cluster.save_logs(tmp_path)
                print(f"logs of workers and brokers: {tmp_path}")
                raise

    return opened


@pytest.fixture
def add_to_report(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Prints a run's line and appends it to the file that --fault-report names.

    `faults`: how many, where a run may repeat nothing and therefore counts no disturbances.
    """
    file: str | None = request.config.getoption("--fault-report")

    def add(row: report.Row, faults: int | None = None) -> None:
        row = replace(row, faults=faults if faults is not None else row.faults)
        print(row)
        if file is not None:
            report.append(Path(file), row)

    return add
