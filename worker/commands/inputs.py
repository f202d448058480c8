"""What the commands share: options, candidate labels, and data and checkpoints from what was typed."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from model.starter import checkpoint_or_starter
from model.training.data import TrainingExample, read_examples
from schemas.policy import Task
from schemas.settings import ModelSettings
from worker.commands.labelled import check_visible, read_labelled, training_examples
from worker.commands.served import served
from worker.config import CONFIG_VARIABLE
from worker.errors import ConfigurationError
from worker.telemetry.printable import printable

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        envvar=CONFIG_VARIABLE,
        help="YAML file with the settings. Every value can also be set as GLICLASS_GROUP__NAME.",
        show_default=False,
    ),
]
ServedConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        envvar=CONFIG_VARIABLE,
        help="The worker's settings: policy file, model, window, device, dtype and text limit are as they say.",
        show_default=False,
    ),
]
PolicyOption = Annotated[
    Path | None,
    typer.Option("--policy", "-p", help="YAML file with the tenants' policies; default: the one of --config."),
]
TenantOption = Annotated[
    str | None,
    typer.Option(
        "--tenant",
        "-t",
        help="Whose policy; may be left out where there is only one. A tenant without one gets the default policy.",
    ),
]
TaskOption = Annotated[
    str | None, typer.Option("--task", help="Only this task of the policy; default: every task the rows label.")
]
ModelOption = Annotated[
    str | None, typer.Option("--model", "-m", help="Checkpoint folder or hub id; default: --config's, or the starter.")
]
MAX_TOKENS: int = ModelSettings.model_fields["max_tokens"].default
"""The window of the worker, so that a command reads of a text what the worker would read."""

_WINDOW = "Window: labels, prompt and text together; as model.max_tokens of the worker."
MaxTokensOption = Annotated[int, typer.Option("--max-tokens", min=16, help=_WINDOW)]
ServedMaxTokensOption = Annotated[
    int | None, typer.Option("--max-tokens", min=16, help=f"{_WINDOW} Default: --config's, or {MAX_TOKENS}.")
]
LabelsOption = Annotated[
    str | None,
    typer.Option(
        "--labels",
        help="Candidate labels of {text, labels} rows in a file: by commas, as a JSON list, "
        """'["Food, drinks", "Furniture"]', or @FILE. Or else --labels-file, or --policy with --tenant and --task.""",
    ),
]
LabelsFileOption = Annotated[
    Path | None, typer.Option("--labels-file", help="File of candidate labels: one a line, or a JSON list.")
]
IgnoreUnknownLabelsOption = Annotated[
    bool,
    typer.Option(
        "--ignore-unknown-labels",
        help="Leave labels of rows that are no candidates out, count them and name them; without it they are refused.",
    ),
]

ROW_FORM = (
    'A row is {"text": "…", "labels": ["a"]}, with the candidates from --labels, --labels-file, or --policy (then also '
    '{"text": "…", "labels": {"task": ["a"]}}); or {"text": "…", "all_labels": ["a", "b"], "true_labels": ["a"]}. '
    "`gliclass-worker schema train` prints its JSON Schema."
)

_JSON_LIST = re.compile(r'\s*\[\s*(\]|")')


@dataclass(frozen=True, slots=True)
class Candidates:
    """Where the candidate labels of rows come from.

    Attributes:
        names: those of plain rows; empty where each row, or a set's folder, brings its own.
        tasks: those of the policy that has them instead; None without one.
        only: of these tasks the one that counts; None for all that the rows label.
        left_out: counts labels that are no candidates; None where they are refused.
    """

    names: tuple[str, ...] = ()
    tasks: Mapping[str, Task] | None = None
    only: str | None = None
    left_out: Counter[str] | None = None

    @classmethod
    def of_policy(cls, tasks: Mapping[str, Task], only: str | None, *, ignore_unknown: bool) -> "Candidates":
        """The labels of a policy's tasks, or of one of them."""
        return cls(tasks=tasks, only=only, left_out=Counter() if ignore_unknown else None)

    def tell_left_out(self) -> None:
        """Say which labels were no candidates, and how often each was met."""
        if self.left_out:
            named = ", ".join(f"{printable(label)!r} ({count})" for label, count in self.left_out.most_common(20))
            more = ", …" if len(self.left_out) > 20 else ""
            typer.echo(f"left out of rows, for they are no candidates: {named}{more}", err=True)


def candidates(
    labels: str | None,
    labels_file: Path | None,
    policy: Path | None,
    tenant: str | None,
    task: str | None,
    *,
    ignore_unknown: bool = False,
) -> Candidates:
    """Candidate labels as typed. Raises ConfigurationError for two sources at once, and for what is wrong in one."""
    if policy is None and tenant is None and task is None:
        return Candidates(label_names(labels, labels_file), left_out=Counter() if ignore_unknown else None)
    if labels is not None or labels_file is not None:
        raise ConfigurationError("--labels", ["the policy names the candidate labels: leave out one of the two"])
    chosen = served(policy, tenant, None, None, None)
    return Candidates.of_policy(chosen.policy.tasks, task, ignore_unknown=ignore_unknown)


def label_names(labels: str | None, labels_file: Path | None) -> tuple[str, ...]:
    """The labels of --labels or --labels-file, in their order; none where neither is given.

    Raises:
        ConfigurationError: both are given, a file or list cannot be read, a label stands twice or none does.
    """
    if labels is not None and labels_file is not None:
        raise ConfigurationError("--labels", ["and --labels-file exclude each other: leave one out"])
    if labels is not None and labels.startswith("@"):
        labels_file = Path(labels[1:])
    if labels_file is not None:
        source, written = str(labels_file), _text_of(labels_file.expanduser())
        names = _json_names(written, source) if _JSON_LIST.match(written) else written.splitlines()
    elif labels is not None:
        source = "--labels"
        names = _json_names(labels, source) if _JSON_LIST.match(labels) else labels.split(",")
    else:
        return ()
    named = tuple(name.strip() for name in names if name.strip())
    if not named:
        raise ConfigurationError(source, ["names no label"])
    twice = [name for name, count in Counter(named).items() if count > 1]
    if twice:
        raise ConfigurationError(source, [f"names the label {twice[0]!r} twice: remove one"])
    return named


def model_folder(name: str | None) -> str:
    """The checkpoint that was named, or the starter, built if need be."""
    return checkpoint_or_starter(name, lambda line: typer.echo(line, err=True))


def read_all(path: Path, source: Candidates, split: str | None) -> list[TrainingExample]:
    """Every example of a file or folder. Raises DataError naming file, line and field."""
    path = path.expanduser()
    if source.tasks is not None:
        rows = read_labelled(path, source.tasks, source.only, split=split, left_out=source.left_out)
        examples = training_examples(rows, source.tasks)
    else:
        examples = list(read_examples(path, labels=source.names, split=split, left_out=source.left_out))
    check_visible(examples)
    return examples


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        hint = "; a label that begins with @ goes into a JSON list" if not path.exists() else ""
        raise ConfigurationError("--labels", [f"{path} cannot be read: {reason}{hint}"]) from None


def _json_names(written: str, source: str) -> Iterable[str]:
    try:
        names = json.loads(written)
    except json.JSONDecodeError as error:
        raise ConfigurationError(source, [f"is not a JSON list: {error}"]) from None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ConfigurationError(source, ["must be a JSON list of strings"])
    return names
