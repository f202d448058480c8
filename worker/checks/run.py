"""`gliclass-worker check`: everything that can be known before a message is read."""

from collections.abc import AsyncIterator
from pathlib import Path

from model.errors import ModelError
from model.scorer import Scorer
from schemas.policy import PolicyFile
from schemas.settings import Settings
from worker.checks.costs import cost_results
from worker.checks.kafka import check_kafka
from worker.checks.machine import check_machine
from worker.checks.result import CheckResult, Outcome
from worker.config import load_policies, load_settings
from worker.device.cost_measurement import cost_store, measure_cost
from worker.device.model import load_model
from worker.device.thread import Device
from worker.errors import ConfigurationError, PolicyError
from worker.policies.compiled import CompileOptions, PolicySet, compile_policies
from worker.policies.lint import lint_label_sets, lint_policies

MEASURING_SECONDS = 2.0
"""Enough for an estimate where no worker has measured this device yet."""

CONFIGURATION, POLICIES, MODEL, LABEL_SETS = "configuration", "policies", "model", "label sets"


async def run_checks(config: Path | None) -> AsyncIterator[CheckResult]:
    """Each result as soon as it is known: settings, policies, machine, brokers and topics, model, label sets.

    Loads the model, which the first time may fetch it; everything else ends within seconds. Never raises for what it
    checks.
    """
    try:
        settings = load_settings(config)
    except ConfigurationError as error:
        for line in error.lines:
            yield CheckResult(CONFIGURATION, Outcome.FAILED, f"{error.source}: {line}")
        return
    yield CheckResult(CONFIGURATION, Outcome.OK, str(config) if config else "environment")

    policies: PolicyFile | None = None
    try:
        policies = load_policies(settings.policies.file)
    except ConfigurationError as error:
        for line in error.lines:
            yield CheckResult(POLICIES, Outcome.FAILED, f"{error.source}: {line}")
    else:
        yield CheckResult(POLICIES, Outcome.OK, f"{settings.policies.file}: {_extent(policies)}")
        for path, message in lint_policies(policies):
            yield CheckResult(POLICIES, Outcome.WARNING, f"{path}: {message}")

    async for result in check_machine(settings):
        yield result
    async for result in check_kafka(settings, _route_topics(policies)):
        yield result
    async for result in _check_model(settings, policies):
        yield result


async def _check_model(settings: Settings, policies: PolicyFile | None) -> AsyncIterator[CheckResult]:
    device = Device()
    try:
        model = await device.run(load_model, settings.model)
    except ModelError as error:
        yield CheckResult(MODEL, Outcome.FAILED, str(error))
        yield CheckResult(LABEL_SETS, Outcome.SKIPPED, "needs the model")
        return
    else:
        yield CheckResult(MODEL, Outcome.OK, _described(model))
        if policies is None:
            yield CheckResult(LABEL_SETS, Outcome.SKIPPED, "needs the policies")
            return
        try:
            compiled = await device.run(compile_policies, policies, model, CompileOptions.of(settings))
        except PolicyError as error:
            for line in error.lines:
                yield CheckResult(LABEL_SETS, Outcome.FAILED, line)
            return
        tasks = [task for policy in compiled.by_name().values() for task in policy.tasks]
        longest = max(part.token_count for task in tasks for part in task.prepared.scored_as)
        takes = (
            f"the longest takes {longest} of {model.max_tokens} tokens"
            if longest
            else (f"read beside the text, they take none of its {model.max_tokens} tokens")
        )
        parts = [len(task.prepared.parts) for task in tasks if task.prepared.parts]
        divided = f", {len(parts)} in parts (up to {max(parts)} passes a text)" if parts else ""
        detail = f"{len(tasks)} fit{divided}; {takes}"
        yield CheckResult(LABEL_SETS, Outcome.OK, detail)
        for result in await device.run(_costs, settings, model, compiled):
            yield result
        for path, message in lint_label_sets(compiled.by_name().values()):
            yield CheckResult(LABEL_SETS, Outcome.WARNING, f"{path}: {message}")
    finally:
        device.close()


def _costs(settings: Settings, model: Scorer, policies: PolicySet) -> list[CheckResult]:
    cost_model = cost_store(model).load()
    if cost_model is None:
        cost_model = measure_cost(model, settings.batching.max_batch_tokens, budget_seconds=MEASURING_SECONDS)
    return list(cost_results(policies.by_name().values(), model, cost_model))


def _described(model: Scorer) -> str:
    where = f"{model.architecture} on {model.device} in {model.dtype_name}"
    return f"{where}, window {model.max_tokens} tokens, digest {model.digest}"


def _extent(policies: PolicyFile) -> str:
    count = len(policies.tenants)
    tenants = f"{count} tenant{'' if count == 1 else 's'}"
    return f"{tenants} and a default policy" if policies.default else tenants


def _route_topics(policies: PolicyFile | None) -> set[str]:
    if policies is None:
        return set()
    every = [*policies.tenants.values(), *([policies.default] if policies.default else [])]
    return {route.topic for policy in every for route in policy.routes}
