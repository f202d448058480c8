"""`gliclass-worker demo`: the worker at work on a Kafka of its own."""

import sys
from pathlib import Path
from typing import Annotated

import typer


def demo(
    messages: Annotated[
        int | None, typer.Option(help="How many messages; default: as many as fit into --seconds.")
    ] = None,
    rate: Annotated[
        float | None, typer.Option(help="Messages per second; default: half of what the machine is seen to do.")
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
    from worker.commands.outputs import output_file
    from worker.demo.options import DemoOptions, OptionError
    from worker.demo.run import run_demo

    options = DemoOptions(
        messages=messages,
        rate=rate,
        seconds=seconds,
        replicas=replicas,
        live=live,
        report=output_file("--report", report),
        bootstrap_servers=bootstrap_servers,
        model=Path(model).expanduser() if model is not None else None,
        seed=seed,
    )
    try:
        sys.exit(run_demo(options))
    except OptionError as error:
        raise typer.BadParameter(str(error)) from None
