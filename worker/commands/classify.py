"""`gliclass-worker classify`: texts under one tenant's policy, without Kafka."""

import sys
from pathlib import Path
from typing import Annotated

import typer


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
