from typing import Any, cast

import pytest
from structlog.testing import capture_logs
from support.batching import cost_model
from support.policies import NoModel, policy_file

from model.label_reading import Remark
from worker.device.thread import Device
from worker.errors import PolicyError
from worker.policies.compiled import CompileOptions, PolicySet
from worker.policies.compiler import PolicyCompiler

SHOP = """
tenants:
  shop:
    tasks: {queue: {mode: single, labels: [billing, shipping]}}
    routes: [{task: queue, label: billing, topic: bills}]
"""


class Topics:
    """Remembers which routes were looked up; the topic `missing` does not exist."""

    def __init__(self) -> None:
        self.looked_up: list[set[str]] = []

    async def look_up(self, policies: PolicySet) -> None:
        self.looked_up.append(policies.route_topics)
        if "missing" in policies.route_topics:
            raise PolicyError(["topic 'missing' does not exist"])


class Sized(NoModel):
    """Every label set takes a thousand tokens."""

    def prepare(self, label_set: object) -> Any:
        return type("Prepared", (), {"token_count": 1000, "remarks": ()})()


def compiler(topics: Topics, model: NoModel | None = None) -> PolicyCompiler:
    return PolicyCompiler(Device(), cast(Any, model or Sized()), CompileOptions(), cost_model(), topics.look_up)


async def test_the_topics_of_routes_are_looked_up_before_policies_come_into_force():
    topics = Topics()
    compiled = await compiler(topics).compile(policy_file(SHOP))
    assert (topics.looked_up, set(compiled.tenants)) == ([{"bills"}], {"shop"})
    with pytest.raises(PolicyError, match="'missing' does not exist"):
        await compiler(topics).compile(policy_file(SHOP.replace("bills", "missing")))


async def test_what_is_unchanged_keeps_its_compiled_object():
    making = compiler(Topics())
    before = await making.compile(policy_file(SHOP))
    after = await making.compile(policy_file(SHOP), before)
    assert after.tenants["shop"] is before.tenants["shop"]


async def test_a_budget_that_the_device_cannot_keep_is_said():
    with capture_logs() as logs:
        await compiler(Topics()).compile(
            policy_file(SHOP.replace("    tasks", "    latency_budget_seconds: 0.001\n    tasks"))
        )
    assert [entry["event"] for entry in logs] == ["a policy that cannot be kept"]
    assert "raise it" in logs[0]["reason"]


class Remarking(Sized):
    """Has something to say of every label set."""

    def prepare(self, label_set: object) -> Any:
        return type("Prepared", (), {"token_count": 10, "remarks": (Remark("examples", "have no effect"),)})()


async def test_what_the_model_does_not_read_is_said_once_for_each_version_of_a_policy():
    making = compiler(Topics(), Remarking())
    with capture_logs() as logs:
        before = await making.compile(policy_file(SHOP))
        await making.compile(policy_file(SHOP), before)
    assert [(entry["policy"], entry["reason"]) for entry in logs] == [
        ("tenants.shop.tasks.queue.examples", "have no effect")
    ]
