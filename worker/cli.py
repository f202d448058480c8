"""The command line: `gliclass-worker`."""

import importlib.metadata
import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from worker.config import CONFIG_VARIABLE, ConfigurationError

app = typer.Typer(
    help="Real-time zero-shot text classification on Kafka.\n\n"
    "Start with `gliclass-worker demo`. To run it on your own topics: write a config and a policy file "
    "(`gliclass-worker schema config`, `schema policy`), try a text with `classify`, test everything with `check`, "
    "then `run`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

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


class ExitStatus:
    """What the process tells its orchestrator."""

    OK = 0
    FAILED = 1
    BAD_CONFIGURATION = 2


def main() -> None:
    """Entry point of the console script."""
    try:
        app()
    except ConfigurationError as error:
        typer.secho(str(error), err=True, fg=typer.colors.RED)
        sys.exit(ExitStatus.BAD_CONFIGURATION)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(importlib.metadata.version("gliclass-worker"))
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None: ...


@app.command()
def run(config: ConfigOption = None) -> None:
    """Run one worker: a member of the consumer group that classifies until SIGTERM.

    The first SIGTERM or Ctrl-C drains: what is in flight is scored, published and committed within
    delivery.drain_budget_seconds, then the process leaves the group and exits with status 0. A second one leaves at
    once: what was not published is delivered again.
    """
    import asyncio

    from worker.app import run_worker
    from worker.config import load_settings

    settings = load_settings(config)
    _leave(asyncio.run(run_worker(settings)))


def _leave(status: int) -> NoReturn:
    """Exit without waiting for the device thread: a pass that takes long must not outlive the drain budget."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
