"""`gliclass-worker check`: everything that `run` needs, tried one by one."""

from pathlib import Path
from typing import Annotated

import typer

from worker.commands.ending import leave
from worker.commands.inputs import ConfigOption
from worker.errors import ExitStatus


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

    from rich.text import Text

    from schemas.settings import ModelSettings
    from worker.checks.result import CheckResult, Outcome
    from worker.checks.run import run_checks
    from worker.checks.scores import ScoreChecks, check_scores
    from worker.commands.outputs import output_file
    from worker.commands.terminal import terminal
    from worker.config import load_settings
    from worker.kafka.broker_errors import name_every_broker_error
    from worker.telemetry.logging import silence_client
    from worker.telemetry.printable import printable

    silence_client()
    name_every_broker_error()
    colours = {Outcome.OK: "green", Outcome.WARNING: "yellow", Outcome.FAILED: "red", Outcome.SKIPPED: "dim"}
    console = terminal()
    save_golden = output_file("--save-golden", save_golden)
    results: list[CheckResult] = []

    def show(result: CheckResult) -> None:
        style = colours[result.outcome]
        said = Text.assemble((f"{result.outcome:<8}", style), printable(f" {result.name}: {result.detail}"))
        console.print(said, soft_wrap=True)
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
    leave(ExitStatus.OK if all(result.ok for result in results) else ExitStatus.FAILED)
