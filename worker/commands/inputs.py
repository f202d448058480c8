"""What the commands share: where the settings are, and data and checkpoints from what was typed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from model.starter import checkpoint_or_starter
from model.training.data import TrainingExample, read_examples
from schemas.settings import ModelSettings
from worker.config import CONFIG_VARIABLE

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


MAX_TOKENS: int = ModelSettings.model_fields["max_tokens"].default
"""The window of the worker, so that a command reads of a text what the worker would read."""

MaxTokensOption = Annotated[
    int, typer.Option(min=16, help="Window: labels, prompt and text together; as model.max_tokens of the worker.")
]


def model_folder(name: str | None) -> str:
    """The checkpoint that was named, or the starter, built if need be."""
    return checkpoint_or_starter(name, lambda line: typer.echo(line, err=True))


def read_all(path: Path, labels: str | None, split: str | None) -> list[TrainingExample]:
    """Every example of a file or folder; `labels` separates candidate names of plain rows by commas."""
    return list(read_examples(path, labels=split_labels(labels), split=split))


def split_labels(labels: str | None) -> Sequence[str]:
    """Names separated by commas."""
    return [name.strip() for name in labels.split(",") if name.strip()] if labels else []
