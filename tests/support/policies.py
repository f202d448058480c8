"""Compiled policies without a model, for tests of what surrounds one."""

from typing import Any

import yaml

from model.label_set import LabelSet
from schemas.policy import PolicyFile
from worker.policies.compiled import CompiledPolicy, CompileOptions, PolicySet, compile_policies


class NoModel:
    """Prepares a label set by remembering it."""

    def __init__(self) -> None:
        self.prepared: list[LabelSet] = []

    def prepare(self, label_set: LabelSet) -> Any:
        self.prepared.append(label_set)
        return label_set


def policy_file(text: str) -> PolicyFile:
    """The policy file that this YAML writes."""
    return PolicyFile.model_validate(yaml.safe_load(text))


def compiled_set(text: str, options: CompileOptions | None = None) -> PolicySet:
    """The policies of this YAML, compiled."""
    return compile_policies(policy_file(text), NoModel(), options or CompileOptions())


def compiled_policy(text: str, options: CompileOptions | None = None) -> CompiledPolicy:
    """The policy of the first tenant of this YAML, compiled."""
    return next(iter(compiled_set(text, options).tenants.values()))
