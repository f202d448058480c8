"""A policy's classifier for a command: loaded with a word about it first, and shown on a terminal."""

from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas.settings import ModelSettings
from worker.commands.inputs import model_folder
from worker.commands.served import Served
from worker.telemetry.printable import printable

if TYPE_CHECKING:
    from model.scorer import Scorer
    from worker.content.text_classifier import Refused, Scored, TextClassifier

BAR_CHARACTERS = 24


def say(line: str) -> None:
    """Progress, beside the results: on standard error."""
    typer.echo(line, err=True)


def load_model_aloud(settings: ModelSettings) -> "Scorer":
    """The model of these settings, with a word before torch is imported: that takes seconds. Raises ModelError."""
    say(f"loading the model: {settings.path or 'the starter'} …")
    from worker.device.model import load_model

    return load_model(settings.model_copy(update={"path": model_folder(settings.path)}))


def load_classifier(served: Served) -> "TextClassifier":
    """The tenant's policy on its model. Raises PolicyError, ModelError."""
    return classifier_of(served, load_model_aloud(served.model))


def classifier_of(served: Served, scorer: "Scorer") -> "TextClassifier":
    """The tenant's policy on a model that is loaded. Raises PolicyError."""
    from worker.content.text_classifier import TextClassifier

    return TextClassifier(scorer, served.file, served.tenant, served.max_text_bytes)


def show(console: Console, outcome: "Scored | Refused") -> None:
    """Every label's score as a bar, the chosen ones marked; or why there is none."""
    from worker.content.text_classifier import Refused

    if isinstance(outcome, Refused):
        console.print(f"a dead letter: {outcome.reason}: {outcome.error}", style="yellow")
        return
    for name, task in outcome.tasks.items():
        table = Table(title=f"{printable(name)} ({task.mode})", title_justify="left", box=None, show_header=False)
        chosen = {scored.label for scored in task.labels}
        flat = flat_scores(task.scores or {})
        for label, score in sorted(flat.items(), key=lambda item: -item[1]):
            mark = Text("✔", style="green") if label in chosen else " "
            bar = Text("█" * round(score * BAR_CHARACTERS), style="cyan")
            table.add_row(mark, printable(label), f"{score:.4f}", bar)
        console.print(table)
        if task.none:
            console.print("  no label reached its threshold", style="yellow")
    if outcome.truncated_tokens:
        console.print(f"{outcome.truncated_tokens} tokens of the text did not fit the model's window", style="yellow")
    if outcome.replaced_characters:
        console.print(f"{outcome.replaced_characters} halves of surrogate pairs were replaced", style="yellow")


def flat_scores(scores: dict[str, object], above: str = "") -> dict[str, float]:
    """Scores by the full name of each label, those of a hierarchy included."""
    flat: dict[str, float] = {}
    for label, score in scores.items():
        if isinstance(score, dict):
            flat |= flat_scores(score, f"{above}{label}.")
        elif isinstance(score, int | float):
            flat[above + label] = float(score)
    return flat
