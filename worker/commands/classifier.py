"""Scores texts under one tenant's policy without Kafka."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from schemas.errors import unknown_name
from schemas.records import TaskResult
from schemas.settings import ModelSettings
from worker.config import load_policies
from worker.content.decision import decide
from worker.device.model import load_model
from worker.errors import ConfigurationError
from worker.policies.compiled import CompiledPolicy, CompileOptions, PolicyStore, compile_policies

BAR_CHARACTERS = 24


@dataclass(frozen=True, slots=True)
class Classified:
    """What the policy's tasks say of one text."""

    tasks: dict[str, TaskResult]
    truncated_tokens: int


class Classifier:
    """One tenant's policy on one model. The same text gets the same scores as in the stream.

    Raises ConfigurationError or PolicyError for a bad policy or an unknown tenant, ModelError for a bad checkpoint.
    """

    def __init__(self, policy_file: Path, tenant: str | None, model: ModelSettings) -> None:
        file = load_policies(policy_file)
        if tenant is None and file.default is None and len(file.tenants) > 1:
            names = ", ".join(file.tenants)
            raise ConfigurationError(str(policy_file), [f"has several tenants: choose one with --tenant ({names})"])
        name = tenant or next(iter(file.tenants), "")
        self._scorer = load_model(model)
        policy = PolicyStore(compile_policies(file, self._scorer, CompileOptions(scores="all"))).resolve(name)
        if policy is None:
            raise ConfigurationError(str(policy_file), [unknown_name("tenant", name, file.tenants)])
        self._policy: CompiledPolicy = policy

    def classify(self, texts: Iterable[str]) -> Iterator[Classified]:
        """One result per text, in order, each as soon as it is there."""
        for text in texts:
            encoded = self._scorer.encode(text, self._policy.prepared, self._policy.long_text)
            tasks = decide(self._policy, self._scorer.score([encoded])[0])
            yield Classified(tasks, encoded.truncated_token_count)


def show(console: Console, result: Classified) -> None:
    """Every label's score as a bar, the chosen ones marked."""
    for name, task in result.tasks.items():
        table = Table(title=f"{name} ({task.mode})", title_justify="left", box=None, show_header=False)
        chosen = {scored.label for scored in task.labels}
        flat = _flat(task.scores or {})
        for label, score in sorted(flat.items(), key=lambda item: -item[1]):
            bar = "█" * round(score * BAR_CHARACTERS)
            mark = "[green]✔[/]" if label in chosen else " "
            table.add_row(mark, label, f"{score:.4f}", f"[cyan]{bar}[/]")
        console.print(table)
        if task.none:
            console.print("  no label reached its threshold", style="yellow")
    if result.truncated_tokens:
        console.print(f"{result.truncated_tokens} tokens of the text did not fit the model's window", style="yellow")


def _flat(scores: dict[str, object], above: str = "") -> dict[str, float]:
    flat: dict[str, float] = {}
    for label, score in scores.items():
        if isinstance(score, dict):
            flat |= _flat(score, f"{above}{label}.")
        elif isinstance(score, int | float):
            flat[above + label] = float(score)
    return flat
