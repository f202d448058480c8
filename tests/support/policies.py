"""Compiled policies without a model, for tests of what surrounds one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import yaml

from model.label_reading import Remark
from model.label_set import LabelSet
from schemas.policy import PolicyFile
from worker.policies.compiled import CompiledPolicy, CompileOptions, PolicySet, compile_policies


@dataclass(eq=False)
class Prepared:
    """What a model that is none makes of a label set."""

    label_set: LabelSet
    token_count: int = 0
    remarks: tuple[Remark, ...] = ()
    filled: bool = False

    @property
    def scored_as(self) -> "tuple[Prepared, ...]":
        return (self,)

    @property
    def key(self) -> str:
        return self.label_set.key


class NoModel:
    """Prepares a label set by remembering it."""

    def __init__(self, token_count: int = 0, remarks: tuple[Remark, ...] = ()) -> None:
        self.prepared: list[LabelSet] = []
        self.passes: list[int] = []
        self._token_count = token_count
        self._remarks = remarks

    def draft(self, label_set: LabelSet) -> Any:
        self.prepared.append(label_set)
        return Prepared(label_set, self._token_count, self._remarks)

    def missing(self, drafts: Sequence[Any]) -> list[Any]:
        return [SimpleNamespace(token_count=4, label=label) for draft in drafts for label in draft.label_set.labels]

    def compute(self, units: Sequence[Any]) -> None:
        self.passes.append(len(units))

    def fill(self, drafts: Sequence[Any]) -> list[Any]:
        return [replace(draft, filled=True) for draft in drafts]


def policy_file(text: str) -> PolicyFile:
    """The policy file that this YAML writes."""
    return PolicyFile.model_validate(yaml.safe_load(text))


def compiled_set(text: str, options: CompileOptions | None = None) -> PolicySet:
    """The policies of this YAML, compiled."""
    return compile_policies(policy_file(text), NoModel(), options or CompileOptions())


def compiled_policy(text: str, options: CompileOptions | None = None) -> CompiledPolicy:
    """The policy of the first tenant of this YAML, compiled."""
    return next(iter(compiled_set(text, options).tenants.values()))
