"""Tenant policies compiled against the model, and the store that the stream reads them from."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, Protocol

from model.errors import LabelSetError
from model.label_set import Example, LabelSet
from model.long_text import Combine, LongText, LongTextMode
from schemas import policy as schema
from schemas.policy import PolicyFile, Task, TenantPolicy
from schemas.settings import Settings
from worker.errors import PolicyError

if TYPE_CHECKING:
    from model.label_preparation import Unit
    from model.prompt import PreparedLabelSet

DEFAULT_TENANT = "(default)"
"""Under this name the default policy serves every tenant without one of its own: one queue, one set of metrics."""


class PreparesLabelSets(Protocol):
    """What compiling needs of a model; see `Scorer`."""

    def draft(self, label_set: LabelSet) -> "PreparedLabelSet": ...

    def missing(self, drafts: "Sequence[PreparedLabelSet]") -> "list[Unit]": ...

    def compute(self, units: "Sequence[Unit]") -> None: ...

    def fill(self, drafts: "Sequence[PreparedLabelSet]") -> "list[PreparedLabelSet]": ...


@dataclass(frozen=True, slots=True, eq=False)
class CompiledTask:
    """One task with what the model made of its label set. `thresholds` are in the order of the labels."""

    name: str
    task: Task
    label_set: LabelSet
    prepared: "PreparedLabelSet"
    thresholds: tuple[float, ...]
    publish_all_scores: bool


@dataclass(frozen=True, slots=True, eq=False)
class CompiledPolicy:
    """One tenant's policy, ready for use. `version` is a hash of its content and of nothing else."""

    tenant: str
    version: str
    policy: TenantPolicy
    tasks: tuple[CompiledTask, ...]
    prepared: "tuple[PreparedLabelSet, ...]"
    long_text: LongText
    latency_budget_seconds: float
    weight: float


@dataclass(frozen=True, slots=True, eq=False)
class PolicySet:
    """The policies of all tenants at one moment; never changed, only replaced."""

    tenants: Mapping[str, CompiledPolicy]
    default: CompiledPolicy | None

    @property
    def route_topics(self) -> set[str]:
        """Every topic that a route names."""
        return {route.topic for policy in self.by_name().values() for route in policy.policy.routes}

    def with_policies(self, policies: Iterable[CompiledPolicy]) -> "PolicySet":
        """The same with others in the place of those of the same tenants, or beside them."""
        changed = {policy.tenant: policy for policy in policies}
        default = changed.pop(DEFAULT_TENANT, self.default)
        return PolicySet(MappingProxyType({**self.tenants, **changed}), default)

    def by_name(self) -> dict[str, CompiledPolicy]:
        """Every policy under its `tenant`, the default one last."""
        return {**self.tenants, **({DEFAULT_TENANT: self.default} if self.default else {})}


EMPTY = PolicySet(MappingProxyType({}), None)


@dataclass(frozen=True, slots=True)
class CompileOptions:
    """What the settings have to say about policies.

    Attributes:
        scores: what a task publishes that does not say.
        reserved_topics: topic -> its use; a route there would be a loop, a duplicate or a false dead letter.
    """

    scores: Literal["chosen", "all"] = "chosen"
    reserved_topics: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Settings) -> "CompileOptions":
        reserved = dict.fromkeys(settings.input.topics, "an input topic, a loop")
        reserved[settings.output.topic] = "the output topic, which gets every record"
        reserved[settings.output.dead_letter_topic] = "the dead-letter topic"
        return cls(settings.output.scores, reserved)


def compile_policies(
    file: PolicyFile, model: PreparesLabelSets, options: CompileOptions, previous: PolicySet | None = None
) -> PolicySet:
    """Compile in one go; runs on the device thread. Raises PolicyError as `draft_policies`."""
    drafted = draft_policies(file, model, options, previous)
    changed = changed_policies(drafted, previous)
    filled = {done.key: done for done in model.fill([draft for policy in changed for draft in policy.prepared])}
    return drafted.with_policies([with_prepared(policy, filled) for policy in changed])


def changed_policies(policies: PolicySet, previous: PolicySet | None) -> list[CompiledPolicy]:
    """Those that are not the very objects of `previous`."""
    known = previous.by_name() if previous else {}
    return [policy for tenant, policy in policies.by_name().items() if policy is not known.get(tenant)]


def draft_policies(
    file: PolicyFile, model: PreparesLabelSets, options: CompileOptions, previous: PolicySet | None = None
) -> PolicySet:
    """Check and tokenise every task's label set, on any thread; `with_prepared` then adds what the device computes.

    A tenant whose policy is unchanged since `previous` keeps its compiled object. Raises PolicyError, with one line
    for each label set that the model refuses and each route to a reserved topic; nothing is refused after that.
    """
    tenants: dict[str, CompiledPolicy] = {}
    default: CompiledPolicy | None = None
    lines: list[str] = []
    for tenant, policy in file.tenants.items():
        try:
            known = previous.tenants.get(tenant) if previous else None
            tenants[tenant] = _reused(known, policy) or _compiled(tenant, policy, f"tenants.{tenant}", model, options)
        except PolicyError as error:
            lines += error.lines
    if file.default is not None:
        try:
            known = previous.default if previous else None
            default = _reused(known, file.default) or _compiled(DEFAULT_TENANT, file.default, "default", model, options)
        except PolicyError as error:
            lines += error.lines
    if lines:
        raise PolicyError(lines)
    return PolicySet(MappingProxyType(tenants), default)


def with_prepared(policy: CompiledPolicy, filled: "Mapping[str, PreparedLabelSet]") -> CompiledPolicy:
    """The policy with its drafts replaced by what was made of them, by key; itself where nothing was."""
    if all(filled.get(draft.key, draft) is draft for draft in policy.prepared):
        return policy
    tasks = tuple(replace(task, prepared=filled.get(task.prepared.key, task.prepared)) for task in policy.tasks)
    return replace(policy, tasks=tasks, prepared=tuple(task.prepared for task in tasks))


class PolicyStore:
    """The policies in force. Reading and replacing are atomic: a message sees one set or the other, never a mixture."""

    def __init__(self, policies: PolicySet) -> None:
        self._policies = policies

    @property
    def current(self) -> PolicySet:
        return self._policies

    def resolve(self, tenant: str) -> CompiledPolicy | None:
        """The tenant's policy, the default one, or None when the tenant is unknown and there is no default."""
        policies = self._policies
        return policies.tenants.get(tenant, policies.default)

    def replace(self, policies: PolicySet) -> None:
        """Put others in force; messages already admitted keep theirs."""
        self._policies = policies


def policy_version(policy: TenantPolicy) -> str:
    """Hash of what the policy says, order included; what it leaves at its default does not count."""
    content = policy.model_dump_json(exclude_defaults=True)
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def label_set_of(task: Task) -> LabelSet:
    """What the model sees of a task."""
    described = any(leaf.description for leaf in task.leaves)
    return LabelSet(
        labels=task.label_names,
        descriptions=tuple(leaf.description for leaf in task.leaves) if described else (),
        prompt=task.prompt,
        examples=tuple(Example(example.text, tuple(example.labels)) for example in task.examples),
        labels_in_parts=task.labels_in_parts,
    )


def _reused(known: CompiledPolicy | None, policy: TenantPolicy) -> CompiledPolicy | None:
    return known if known is not None and known.version == policy_version(policy) else None


def _compiled(
    tenant: str, policy: TenantPolicy, path: str, model: PreparesLabelSets, options: CompileOptions
) -> CompiledPolicy:
    lines = [
        f"{path}.routes.{number}.topic: {route.topic!r} is {use}; choose another"
        for number, route in enumerate(policy.routes)
        if (use := options.reserved_topics.get(route.topic)) is not None
    ]
    tasks: list[CompiledTask] = []
    for name, task in policy.tasks.items():
        label_set = label_set_of(task)
        try:
            prepared = model.draft(label_set)
        except LabelSetError as error:
            lines.append(f"{path}.tasks.{name}: {error}")
            continue
        thresholds = tuple(task.threshold_of(label) for label in label_set.labels)
        tasks.append(
            CompiledTask(
                name=name,
                task=task,
                label_set=label_set,
                prepared=prepared,
                thresholds=thresholds,
                publish_all_scores=(task.scores or options.scores) == "all",
            )
        )
    if lines:
        raise PolicyError(lines)
    return CompiledPolicy(
        tenant=tenant,
        version=policy_version(policy),
        policy=policy,
        tasks=tuple(tasks),
        prepared=tuple(task.prepared for task in tasks),
        long_text=_long_text(policy.long_text),
        latency_budget_seconds=policy.latency_budget_seconds,
        weight=policy.weight,
    )


def _long_text(written: schema.LongText) -> LongText:
    """What the policy says of long texts, with the model's own defaults for what it leaves open."""
    chosen = {
        "overlap_tokens": written.overlap_tokens,
        "combine": written.pool and Combine(written.pool),
        "max_windows": written.max_windows,
    }
    given = {name: value for name, value in chosen.items() if value is not None}
    return LongText(LongTextMode(written.mode), **given)
