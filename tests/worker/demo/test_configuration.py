from pathlib import Path

import pytest

from schemas.policy import PolicyFile
from schemas.settings import Settings
from worker.demo.configuration import demo_policies, route_topics, worker_settings
from worker.demo.texts import WRITERS
from worker.demo.topics import Topics


def test_the_shipped_policies_are_valid_and_cover_every_tenant_that_writes() -> None:
    policies = PolicyFile.model_validate(demo_policies("run-1"))
    assert set(policies.tenants) == set(WRITERS)
    assert len({policy.latency_budget_seconds for policy in policies.tenants.values()}) >= 3
    modes = {task.mode for policy in policies.tenants.values() for task in policy.tasks.values()}
    assert modes == {"single", "multi"}
    tasks = [task for policy in policies.tenants.values() for task in policy.tasks.values()]
    assert any(len(leaf.path) > 1 for task in tasks for leaf in task.leaves)


def test_routes_are_renamed_for_the_run() -> None:
    assert route_topics(demo_policies("run-1")) == ("run-1-review", "run-1-urgent")


@pytest.mark.parametrize("model", [None, Path("/checkpoint")])
def test_the_settings_are_such_as_the_worker_accepts(model: Path | None) -> None:
    topics = Topics("run-1", partitions=6, routes=("run-1-urgent",))
    written = worker_settings(
        bootstrap_servers="127.0.0.1:1,127.0.0.1:2", topics=topics, policies=Path("p.yaml"), model=model, threads=2
    )
    settings = Settings(**written)
    assert settings.kafka.bootstrap_servers == ["127.0.0.1:1", "127.0.0.1:2"]
    assert set(settings.input.topics) == {topics.input, topics.warm_up}
    assert settings.output.topic == topics.output
    assert settings.output.dead_letter_topic == topics.dead_letters
    assert settings.model.path == (str(model) if model else None)
    assert settings.model.threads == 2
