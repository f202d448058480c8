"""What only the integration tests need beside the one broker."""

from collections.abc import Iterator

import pytest
from support.forked_process import start_server
from support.guarded_kafka import Guarded, guarded_kafka


@pytest.fixture(scope="session", autouse=True)
def _forks() -> None:
    start_server()


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """A broker that demands certificates, logins and rights."""
    with guarded_kafka(tmp_path_factory.mktemp("certificates")) as running:
        yield running
