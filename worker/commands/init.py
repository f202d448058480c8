"""`gliclass-worker init`: files to begin with."""

from pathlib import Path
from typing import Annotated

import typer

from worker.commands.outputs import output_folder
from worker.errors import ConfigurationError

FILES = {
    "config.yaml": "the worker's settings: Kafka, topics, where things are in your JSON",
    "policies.yaml": "one tenant with two tasks",
    "labelled.jsonl": "a few labelled texts, to measure and calibrate that policy with",
    "messages.jsonl": "some messages, one of which becomes a dead letter",
    "docker-compose.yml": "a broker and a worker in containers",
}


def init(
    folder: Annotated[Path, typer.Argument(help="Where they go; made where it is missing.")] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that are there.")] = False,
) -> None:
    """Write a config, a policy, labelled texts, messages and a compose file to begin with.

    They work as they are, with a Kafka from `gliclass-worker kafka` or from the compose file.
    """
    from importlib.resources import files

    folder = folder.expanduser()
    if there := [name for name in FILES if (folder / name).exists() and not force]:
        raise ConfigurationError(str(folder), [f"holds {', '.join(there)} already: take another folder, or --force"])
    output_folder("init", folder)
    for name, meaning in FILES.items():
        content = files("worker.commands").joinpath("templates", name).read_bytes()
        (folder / name).write_bytes(content)
        typer.echo(f"  {name:<20} {meaning}")
    lines = [
        "gliclass-worker kafka --topics tickets:6,tickets.classified:6,tickets.dead-letters    # or your own",
        'gliclass-worker classify --policy policies.yaml "I was charged twice"',
        "gliclass-worker check --config config.yaml",
        "gliclass-worker run --config config.yaml",
        "kcat -P -b 127.0.0.1:9092 -t tickets -l messages.jsonl    # or any other producer",
    ]
    enter = [f"cd {folder}"] if folder != Path() else []
    typer.echo("\n".join(["", "Next:", *(f"  {line}" for line in [*enter, *lines])]))
