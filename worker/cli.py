"""The command line `gliclass-worker`: which commands there are."""

import importlib.metadata
import os
from typing import Annotated

import typer

from worker.commands.calibrate import calibrate
from worker.commands.check import check
from worker.commands.classify import classify
from worker.commands.dead_letters import dead_letters
from worker.commands.demo import demo
from worker.commands.ending import Commands
from worker.commands.evaluate import evaluate
from worker.commands.init import init
from worker.commands.kafka import kafka
from worker.commands.run import run
from worker.commands.schema import schema
from worker.commands.train import train
from worker.device.openmp import settle_openmp
from worker.device.processors import processors

app = typer.Typer(
    cls=Commands,
    help="Real-time zero-shot text classification on Kafka.\n\n"
    "Start with `gliclass-worker demo`. To run it on your own topics: `init` writes a config and a policy file, "
    "`schema config` and `schema policy` say what may stand in them; try a text with `classify`, test everything with "
    "`check`, then `run`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.add_typer(dead_letters, name="dead-letters")
for command in (train, evaluate, calibrate):
    app.command(rich_help_panel="Your own labels")(command)
for command in (run, check, demo, init, kafka, classify, schema):
    app.command()(command)


def main() -> None:
    """Entry point of the console script."""
    settle_openmp(os.environ, processors())
    app()


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


if __name__ == "__main__":
    main()
