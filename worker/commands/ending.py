"""How commands end: with a status, and what people can mend as one line."""

import os
import sys
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from model.errors import ModelError
from worker.errors import ExitStatus, WorkerError


class Commands(TyperGroup):
    """A group whose commands may raise what was foreseen: it becomes one line and the error's status."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except WorkerError as error:
            _end(error, error.exit_status)
        except ModelError as error:
            _end(error, ExitStatus.FAILED)


def leave(status: int) -> NoReturn:
    """Exit without waiting for the device thread: a pass that takes long must not outlive the drain budget."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _end(error: Exception, status: ExitStatus) -> NoReturn:
    typer.secho(str(error), err=True, fg=typer.colors.RED)
    sys.exit(status)
