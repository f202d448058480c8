"""Policies that are valid and yet probably not what was meant. Pure."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from schemas.policy import ANY_LABEL, PolicyFile, Task, TenantPolicy
from worker.batching.cost_model import CostModel
from worker.policies.compiled import DEFAULT_TENANT, CompiledPolicy


class Finding(NamedTuple):
    """A place in the policy file and what is odd about it, with what to change."""

    path: str
    message: str


def lint_policies(file: PolicyFile) -> list[Finding]:
    """What a second reader would ask about, in the order of the file."""
    named = {f"tenants.{tenant}": policy for tenant, policy in file.tenants.items()}
    if file.default is not None:
        named["default"] = file.default
    return [finding for path, policy in named.items() for finding in _policy_findings(path, policy)]


def lint_budgets(policies: Iterable[CompiledPolicy], cost_model: CostModel) -> list[Finding]:
    """Latency budgets that not even one message alone can keep: the device takes longer for the labels, without any
    text. Its messages are all late, and are treated as `on_late` says."""
    findings: list[Finding] = []
    for policy in policies:
        lengths = [part.token_count for prepared in policy.prepared for part in prepared.scored_as]
        floor_seconds = cost_model.predict(sum(lengths), sum(length**2 for length in lengths))
        if policy.latency_budget_seconds < floor_seconds:
            message = (
                f"is {policy.latency_budget_seconds:g} s, and one message takes this device {floor_seconds:.2g} s at "
                "least: raise it, or use fewer labels or a faster device"
            )
            findings.append(Finding(f"{_path(policy)}.latency_budget_seconds", message))
    return findings


def lint_label_sets(policies: Iterable[CompiledPolicy]) -> list[Finding]:
    """What the model does not read of the policies' tasks, or does not read as it was meant."""
    findings: list[Finding] = []
    for policy in policies:
        for task in policy.tasks:
            findings += [
                Finding(f"{_path(policy)}.tasks.{task.name}.{field}", said) for field, said in task.prepared.remarks
            ]
    return findings


def _path(policy: CompiledPolicy) -> str:
    return "default" if policy.tenant == DEFAULT_TENANT else f"tenants.{policy.tenant}"


def _policy_findings(path: str, policy: TenantPolicy) -> Iterator[Finding]:
    for name, task in policy.tasks.items():
        yield from _task_findings(f"{path}.tasks.{name}", task)
    seen: set[tuple[str, str, str]] = set()
    for number, route in enumerate(policy.routes):
        if (route.task, route.label, route.topic) in seen or (route.task, ANY_LABEL, route.topic) in seen:
            yield Finding(f"{path}.routes.{number}", "an earlier route already says so: remove one")
        seen.add((route.task, route.label, route.topic))


def _task_findings(path: str, task: Task) -> Iterator[Finding]:
    if task.prompt and not task.prompt[-1].isspace():
        yield Finding(f"{path}.prompt", "is glued to the first word of the text: end it with a space or a line break")
    folded: dict[str, str] = {}
    for label in task.label_names:
        other = folded.setdefault(label.casefold(), label)
        if other != label:
            yield Finding(
                f"{path}.labels", f"{other!r} and {label!r} differ in case alone: the model hardly tells them apart"
            )
    described = [leaf.name for leaf in task.leaves if leaf.description]
    if described and len(described) < len(task.leaves):
        bare = next(leaf.name for leaf in task.leaves if not leaf.description)
        yield Finding(f"{path}.labels", f"{bare!r} has no description while others have: describe all or none")
    if len(task.leaves) == 1 and task.mode == "single":
        yield Finding(f"{path}.mode", "single with one label scores it 1 always: use multi, or add the alternative")
    if task.mode == "multi":
        always = [label for label in task.label_names if task.threshold_of(label) == 0]
        if always:
            yield Finding(f"{path}.threshold", f"is 0 for {always[0]!r}, which is then always chosen: raise it")
    never = [label for label in task.label_names if task.threshold_of(label) == 1]
    if never:
        yield Finding(f"{path}.threshold", f"is 1 for {never[0]!r}, which is then hardly ever chosen: lower it")
