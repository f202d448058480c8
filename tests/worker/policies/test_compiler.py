import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from structlog.testing import capture_logs
from support.batching import cost_model
from support.policies import NoModel, policy_file

from model.errors import LabelSetError
from model.label_reading import Remark
from model.label_set import LabelSet
from schemas.policy import PolicyFile
from worker.device.thread import Device
from worker.errors import PolicyError
from worker.policies.compiled import CompileOptions, PolicySet
from worker.policies.compiler import SLICE_SECONDS, PolicyCompiler, Progress

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


class Slow(NoModel):
    """Each label takes a slice's time on the device."""

    def compute(self, units: Sequence[Any]) -> None:
        time.sleep(SLICE_SECONDS * len(units))
        super().compute(units)


def compiler(topics: Topics, model: NoModel | None = None, progress: Progress = lambda *_: None) -> PolicyCompiler:
    given = model or NoModel(token_count=1000)
    return PolicyCompiler(Device(), given, CompileOptions(), cost_model(), topics.look_up, progress)


async def last(sets: AsyncIterator[PolicySet]) -> PolicySet:
    return [policies async for policies in sets][-1]


def many(count: int, labels: str = "a, b") -> PolicyFile:
    written = "\n".join(
        f"  t{number}: {{tasks: {{q: {{mode: multi, labels: [{labels}, l{number}]}}}}}}" for number in range(count)
    )
    return policy_file(f"tenants:\n{written}")


async def test_the_topics_of_routes_are_looked_up_before_policies_come_into_force():
    topics = Topics()
    compiled = await last(compiler(topics).compile(policy_file(SHOP)))
    assert (topics.looked_up, set(compiled.tenants)) == ([{"bills"}], {"shop"})
    with pytest.raises(PolicyError, match="'missing' does not exist"):
        await last(compiler(topics).compile(policy_file(SHOP.replace("bills", "missing"))))


async def test_what_is_unchanged_keeps_its_compiled_object():
    making = compiler(Topics())
    before = await last(making.compile(policy_file(SHOP)))
    after = await last(making.compile(policy_file(SHOP), before))
    assert after.tenants["shop"] is before.tenants["shop"]


async def test_a_budget_that_the_device_cannot_keep_is_said():
    with capture_logs() as logs:
        await last(
            compiler(Topics()).compile(
                policy_file(SHOP.replace("    tasks", "    latency_budget_seconds: 0.001\n    tasks"))
            )
        )
    assert [entry["event"] for entry in logs] == ["a policy that cannot be kept"]
    assert "raise it" in logs[0]["reason"]


async def test_what_the_model_does_not_read_is_said_once_for_each_version_of_a_policy():
    making = compiler(Topics(), NoModel(10, (Remark("examples", "have no effect"),)))
    with capture_logs() as logs:
        before = await last(making.compile(policy_file(SHOP)))
        await last(making.compile(policy_file(SHOP), before))
    assert [(entry["policy"], entry["reason"]) for entry in logs] == [
        ("tenants.shop.tasks.queue.examples", "have no effect")
    ]


async def test_tenants_come_into_force_as_they_are_ready_and_the_removed_ones_go_last():
    making = compiler(Topics())
    before = await last(making.compile(policy_file(SHOP)))
    sets = [policies async for policies in making.compile(many(120), before)]
    assert [len(policies.tenants) for policies in sets] == [51, 101, 120]
    assert ["shop" in policies.tenants for policies in sets] == [True, True, False]
    filled: list[Any] = [prepared for policy in sets[-1].tenants.values() for prepared in policy.prepared]
    assert all(prepared.filled for prepared in filled)


async def test_a_file_that_is_refused_changes_no_tenant():
    class Refusing(NoModel):
        def draft(self, label_set: LabelSet) -> Any:
            if "l119" in label_set.labels:
                raise LabelSetError("labels leave no room for text")
            return super().draft(label_set)

    model = Refusing()
    making = compiler(Topics(), model)
    before = await last(making.compile(policy_file(SHOP)))
    passes = len(model.passes)
    with pytest.raises(PolicyError, match=r"tenants\.t119\.tasks\.q: labels leave no room"):
        await anext(making.compile(many(120), before))
    assert len(model.passes) == passes


async def test_slices_shrink_to_what_the_device_does_in_their_time(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("worker.policies.compiler.FIRST_SLICE_TOKENS", 12)
    monkeypatch.setattr("worker.policies.compiler.START_SLICE_SECONDS", SLICE_SECONDS)
    slow = Slow()
    await last(compiler(Topics(), slow).compile(many(3)))
    assert slow.passes == [3, 1, 1, 1, 1, 1, 1]


async def test_slices_grow_where_nothing_has_to_be_computed():
    quick = NoModel()
    await last(compiler(Topics(), quick).compile(many(50)))
    assert max(quick.passes) > quick.passes[0]
    assert sum(quick.passes) == 150


async def test_a_batch_that_is_bound_meanwhile_waits_for_one_slice_and_not_for_all():
    device, order = Device(), []

    class Noting(NoModel):
        def compute(self, units: Sequence[Any]) -> None:
            order.append("slice")
            super().compute(units)

    making = PolicyCompiler(device, Noting(), CompileOptions(), cost_model(), Topics().look_up, lambda *_: None)
    compiling = asyncio.create_task(last(making.compile(many(200))))
    while not order:
        await asyncio.sleep(0)
    await device.run(order.append, "batch")
    at = order.index("batch")
    await compiling
    device.close()
    assert len(order) - at > 1


async def test_how_far_it_is_can_be_followed():
    said: list[tuple[int, int]] = []
    making = compiler(Topics(), progress=lambda *counts: said.append(counts))
    await last(making.compile(many(120)))
    assert said == [(50, 120), (100, 120), (120, 120)]


async def test_equal_label_sets_are_computed_once():
    model = NoModel()
    written = "\n".join(f"  t{number}: {{tasks: {{q: {{mode: multi, labels: [a, b]}}}}}}" for number in range(30))
    await last(compiler(Topics(), model).compile(policy_file(f"tenants:\n{written}")))
    assert sum(model.passes) == 2
