"""What the commands share: data and checkpoints from what was typed, errors as one line."""

import sys
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

import typer

from model.errors import ModelError
from model.starter import checkpoint_or_starter
from model.training.data import TrainingExample, read_examples

P = ParamSpec("P")
R = TypeVar("R")

FAILED = 1


def one_line_errors(command: Callable[P, R]) -> Callable[P, R]:
    """Print what is wrong with data, checkpoint or run as one line and leave with status 1."""

    @wraps(command)
    def guarded(*args: P.args, **options: P.kwargs) -> R:
        try:
            return command(*args, **options)
        except ModelError as error:
            typer.secho(str(error), err=True, fg=typer.colors.RED)
            sys.exit(FAILED)

    return guarded


def model_folder(name: str | None) -> str:
    """The checkpoint that was named, or the starter, built if need be."""
    return checkpoint_or_starter(name, lambda line: typer.echo(line, err=True))


def read_all(path: Path, labels: str | None, split: str | None) -> list[TrainingExample]:
    """Every example of a file or folder; `labels` separates candidate names of plain rows by commas."""
    return list(read_examples(path, labels=split_labels(labels), split=split))


def split_labels(labels: str | None) -> Sequence[str]:
    """Names separated by commas."""
    return [name.strip() for name in labels.split(",") if name.strip()] if labels else []
