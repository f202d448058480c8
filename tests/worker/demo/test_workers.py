import asyncio
from pathlib import Path

import pytest

from worker.demo.configuration import demo_policies, worker_settings
from worker.demo.guardian import Guardian
from worker.demo.topics import Topics
from worker.demo.workers import WorkerProcessError, Workers, worker_environment

ENDED = r"(?s)worker-1 ended with status 1; end of its log:.*no checkpoint: not a folder"


def test_only_variables_that_cannot_lead_the_workers_elsewhere_are_kept() -> None:
    variables = {
        "PATH": "/bin",
        "GLICLASS_KAFKA__BOOTSTRAP_SERVERS": "production:9092",
        "gliclass_input__topics": "payments",
        "GLICLASS_CONFIG": "/etc/production.yaml",
        "GLICLASS_MODEL__DEVICE": "cpu",
        "GLICLASS_BATCHING__MAX_BATCH_TOKENS": "512",
    }
    assert set(worker_environment(variables)) == {
        "PATH",
        "GLICLASS_MODEL__DEVICE",
        "GLICLASS_BATCHING__MAX_BATCH_TOKENS",
    }


def test_a_worker_that_ends_at_once_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    policies = tmp_path / "policies.yaml"
    policies.write_text(str(demo_policies("demo")))
    directory = tmp_path / "run"
    directory.mkdir()
    settings = worker_settings(
        bootstrap_servers="127.0.0.1:1",
        topics=Topics("demo", 1, ()),
        policies=policies,
        model=tmp_path / "no checkpoint",
        threads=1,
    )
    guardian = Guardian(directory)
    try:
        workers = Workers(directory, guardian, settings, count=1)
        with pytest.raises(WorkerProcessError, match=ENDED):
            asyncio.run(workers.wait_ready(100, report=lambda _: None))
        workers.kill()
    finally:
        guardian.close()


def test_a_worker_that_does_not_get_ready_is_killed_in_the_end(tmp_path: Path) -> None:
    policies = tmp_path / "policies.yaml"
    policies.write_text(str(demo_policies("demo")))
    directory = tmp_path / "run"
    directory.mkdir()
    settings = worker_settings(
        bootstrap_servers="127.0.0.1:1", topics=Topics("demo", 1, ()), policies=policies, model=None, threads=1
    )
    guardian = Guardian(directory)
    try:
        workers = Workers(directory, guardian, settings, count=2)
        with pytest.raises(WorkerProcessError, match=r"worker-1 is not ready after 0 s"):
            asyncio.run(workers.wait_ready(0, report=lambda _: None))
        workers.kill()
        with pytest.raises(WorkerProcessError, match="worker-1 was ended by SIGKILL"):
            workers.check_alive()
    finally:
        guardian.close()
