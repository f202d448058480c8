import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.settings import Settings
from worker.checks.machine import check_machine, processor_result
from worker.checks.result import CheckResult, Outcome
from worker.demo.kafka_properties import free_ports
from worker.device.processors import Processors
from worker.errors import MissingExporterError


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def listener() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


async def checked(**groups: object) -> dict[str, CheckResult]:
    settings = Settings(
        **{
            "kafka": {"bootstrap_servers": ["127.0.0.1:1"]},
            "input": {"topics": ["in"]},
            "output": {"topic": "out", "dead_letter_topic": "dead"},
            "policies": {"file": "policies.yaml"},
            "admin": {"port": 0},
            **groups,
        }
    )
    return {result.name: result async for result in check_machine(settings)}


async def test_a_machine_that_has_everything_is_described() -> None:
    results = await checked()
    assert {result.outcome for result in results.values()} == {Outcome.OK}
    assert list(results) == ["processors", "admin port", "cache"]
    assert results["admin port"].detail == "127.0.0.1:any free port"


def test_the_quota_is_said_with_the_threads_that_follow_from_it() -> None:
    result = processor_result(Processors(2, 2, 0.5), None, None)
    assert result.outcome is Outcome.OK
    assert result.detail == "0.5 of 2 processors, a CPU quota of 0.5 by cgroup; 1 thread a pass"


@pytest.mark.parametrize(
    ("setting", "variable", "named"), [(4, None, "model.threads 4"), (None, "4", "OMP_NUM_THREADS=4")]
)
def test_more_threads_than_can_run_at_once_are_a_warning(setting: int | None, variable: str | None, named: str) -> None:
    result = processor_result(Processors(8, 8, 2.0), setting, variable)
    assert result.outcome is Outcome.WARNING
    assert f"{named} is more than can run at once" in result.detail
    assert result.detail.endswith("or take 2")


async def test_an_admin_port_that_another_worker_has_fails(listener: int) -> None:
    result = (await checked(admin={"port": listener}))["admin port"]
    assert result.outcome is Outcome.FAILED
    assert f"cannot listen on 127.0.0.1:{listener}" in result.detail
    assert "set admin.port to a free port" in result.detail


async def test_an_exporter_that_is_not_installed_fails_as_the_start_would(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str) -> None:
        raise MissingExporterError("install the extra: pip install 'gliclass-worker[otlp]'")

    monkeypatch.setattr("worker.checks.machine.otlp_exporter", missing)
    result = (await checked(telemetry={"otlp_endpoint": "http://127.0.0.1:4318"}))["traces"]
    assert result.outcome is Outcome.FAILED
    assert "gliclass-worker[otlp]" in result.detail


async def test_a_collector_that_answers_is_found(listener: int) -> None:
    result = (await checked(telemetry={"otlp_endpoint": f"http://127.0.0.1:{listener}"}))["traces"]
    assert result.outcome is Outcome.OK


async def test_a_collector_that_is_away_is_a_warning() -> None:
    endpoint = f"http://127.0.0.1:{free_ports(1)[0]}"
    result = (await checked(telemetry={"otlp_endpoint": endpoint}))["traces"]
    assert result.outcome is Outcome.WARNING
    assert result.detail.startswith(f"no collector answers at {endpoint}")


async def test_a_port_that_cannot_be_is_no_endpoint() -> None:
    result = (await checked(telemetry={"otlp_endpoint": "http://collector:99999"}))["traces"]
    assert result.outcome is Outcome.FAILED
    assert result.detail.startswith("telemetry.otlp_endpoint http://collector:99999: ")


async def test_a_cache_that_cannot_be_written_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    result = (await checked())["cache"]
    assert result.outcome is Outcome.WARNING
    assert "set XDG_CACHE_HOME" in result.detail
