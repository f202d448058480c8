"""The command line: `gliclass-worker`."""

import importlib.metadata
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.markup import escape

from worker.commands.calibrate import calibrate
from worker.commands.dead_letters import dead_letters
from worker.commands.evaluate import evaluate
from worker.commands.train import train
from worker.config import CONFIG_VARIABLE
from worker.errors import ConfigurationError, ExitStatus

app = typer.Typer(
    help="Real-time zero-shot text classification on Kafka.\n\n"
    "Start with `gliclass-worker demo`. To run it on your own topics: write a config and a policy file "
    "(`gliclass-worker schema config`, `schema policy`), try a text with `classify`, test everything with `check`, "
    "then `run`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.add_typer(dead_letters, name="dead-letters")
for command in (train, evaluate, calibrate):
    app.command(rich_help_panel="Your own labels")(command)

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


def main() -> None:
    """Entry point of the console script."""
    from model.errors import ModelError
    from worker.errors import PolicyError

    try:
        app()
    except (ConfigurationError, PolicyError) as error:
        typer.secho(str(error), err=True, fg=typer.colors.RED)
        sys.exit(ExitStatus.BAD_CONFIGURATION)
    except ModelError as error:
        typer.secho(str(error), err=True, fg=typer.colors.RED)
        sys.exit(ExitStatus.FAILED)


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


@app.command()
def check(
    config: ConfigOption = None,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="Only this checkpoint (folder or hub id), without a config."),
    ] = None,
    reference: Annotated[
        bool, typer.Option("--reference", help="Compare the scores with the `gliclass` package, if it is installed.")
    ] = False,
    save_golden: Annotated[
        Path | None, typer.Option(help="Write this checkpoint's scores of shipped texts to a file.")
    ] = None,
    golden: Annotated[Path | None, typer.Option(help="Compare today's scores with such a file.")] = None,
) -> None:
    """Test everything that `run` needs, and say of each failure what to change.

    Settings and policies are parsed and linted, the brokers reached and logged into, topics looked up, record sizes
    compared, the right to write the dead-letter topic tried, the model loaded, and every label set fitted into its
    window. The exit status is 0 when nothing failed.
    """
    import asyncio

    from rich.console import Console

    from schemas.settings import ModelSettings
    from worker.checks.result import CheckResult, Outcome
    from worker.checks.run import run_checks
    from worker.checks.scores import ScoreChecks, check_scores
    from worker.config import load_settings

    colours = {Outcome.OK: "green", Outcome.WARNING: "yellow", Outcome.FAILED: "red", Outcome.SKIPPED: "dim"}
    console = Console(soft_wrap=True, highlight=False)
    results: list[CheckResult] = []

    def show(result: CheckResult) -> None:
        style = colours[result.outcome]
        console.print(f"[{style}]{result.outcome:<8}[/] {escape(result.name)}: {escape(result.detail)}")
        results.append(result)

    async def show_each() -> None:
        async for result in run_checks(config):
            show(result)

    if model is None:
        asyncio.run(show_each())
    scores = ScoreChecks(reference, golden, save_golden)
    if scores.any and all(result.ok for result in results):
        for result in check_scores(ModelSettings(path=model) if model else load_settings(config).model, scores):
            show(result)
    elif model is not None:
        raise typer.BadParameter("--model alone checks nothing: add --reference, --golden or --save-golden")
    _leave(ExitStatus.OK if all(result.ok for result in results) else ExitStatus.FAILED)


@app.command()
def demo(
    messages: Annotated[
        int | None, typer.Option(help="How many messages; default: as many as fit into --seconds.")
    ] = None,
    rate: Annotated[
        float | None, typer.Option(help="Messages per second; default: what the machine is seen to do.")
    ] = None,
    seconds: Annotated[float | None, typer.Option(help="How long messages flow.")] = None,
    replicas: Annotated[int, typer.Option(help="Worker processes in the consumer group.")] = 1,
    live: Annotated[bool, typer.Option("--live/--no-live", help="Live view, or plain lines.")] = True,
    report: Annotated[Path | None, typer.Option(help="Write the summary as JSON to this file.")] = None,
    bootstrap_servers: Annotated[
        str | None, typer.Option(help="Use this Kafka instead of the embedded one, without authentication.")
    ] = None,
    model: Annotated[str | None, typer.Option("--model", "-m", help="Checkpoint folder; default: the starter.")] = None,
    seed: Annotated[int, typer.Option(help="Of the generated messages.")] = 0,
) -> None:
    """Watch it work: a real Kafka, real workers, tickets and forum posts of several tenants, some of them broken.

    Ends by itself or on Ctrl-C with a summary; the exit status is 0 only if no message was lost.
    """
    from worker.demo.options import DemoOptions, OptionError
    from worker.demo.run import run_demo

    options = DemoOptions(
        messages=messages,
        rate=rate,
        seconds=seconds,
        replicas=replicas,
        live=live,
        report=report,
        bootstrap_servers=bootstrap_servers,
        model=Path(model) if model is not None else None,
        seed=seed,
    )
    try:
        sys.exit(run_demo(options))
    except OptionError as error:
        raise typer.BadParameter(str(error)) from None


@app.command()
def classify(
    policy: Annotated[Path, typer.Option("--policy", "-p", help="YAML file with the tenants' policies.")],
    text: Annotated[
        list[str] | None, typer.Argument(help="Texts; without any, one per line of standard input.")
    ] = None,
    tenant: Annotated[
        str | None, typer.Option("--tenant", "-t", help="Whose policy; may be left out where there is only one.")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Checkpoint folder or hub id; default: the starter.")
    ] = None,
    json_lines: Annotated[bool, typer.Option("--json", help="One JSON object per text instead of a picture.")] = False,
) -> None:
    """Score texts under one tenant's policy, without Kafka: try labels and thresholds before they go live.

    Every label's score is shown; those that reach their threshold are marked.
    """
    import orjson
    from rich.console import Console

    from schemas.settings import ModelSettings
    from worker.commands.classifier import Classifier, show

    classifier = Classifier(policy, tenant, ModelSettings(path=model))
    texts = text or (line.rstrip("\n") for line in sys.stdin)
    console = Console()
    for result in classifier.classify(texts):
        if json_lines or not console.is_terminal:
            tasks = {name: task.model_dump(exclude_none=True) for name, task in result.tasks.items()}
            typer.echo(orjson.dumps({"tasks": tasks, "truncated_tokens": result.truncated_tokens}))
        else:
            show(console, result)


class SchemaName(StrEnum):
    POLICY = "policy"
    CONFIG = "config"
    OUTPUT = "output"
    DEAD_LETTER = "dead-letter"


@app.command()
def schema(name: Annotated[SchemaName, typer.Argument(help="Which one.")]) -> None:
    """Print a JSON Schema: of the policy file, the settings, the output records, or the headers of dead letters.

    Editors complete and check YAML with it: `# yaml-language-server: $schema=policy.schema.json`.
    """
    import orjson

    from schemas.policy import PolicyFile
    from schemas.records import DeadLetterHeaders, EnrichedRecord
    from schemas.settings import Settings

    models = {
        SchemaName.POLICY: PolicyFile,
        SchemaName.CONFIG: Settings,
        SchemaName.OUTPUT: EnrichedRecord,
        SchemaName.DEAD_LETTER: DeadLetterHeaders,
    }
    typer.echo(orjson.dumps(models[name].model_json_schema(), option=orjson.OPT_INDENT_2))


def _leave(status: int) -> NoReturn:
    """Exit without waiting for the device thread: a pass that takes long must not outlive the drain budget."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
