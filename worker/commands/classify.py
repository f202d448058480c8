"""`gliclass-worker classify`: texts under one tenant's policy, without Kafka."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from worker.commands.inputs import (
    ModelOption,
    PolicyOption,
    ServedConfigOption,
    ServedMaxTokensOption,
    TenantOption,
)

if TYPE_CHECKING:
    from worker.content.text_classifier import Refused, Scored


def classify(
    text: Annotated[
        list[str] | None, typer.Argument(help="Texts; without any, one per line of standard input.")
    ] = None,
    policy: PolicyOption = None,
    tenant: TenantOption = None,
    config: ServedConfigOption = None,
    model: ModelOption = None,
    texts: Annotated[Path | None, typer.Option(help="File of texts, one per line.")] = None,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch",
            help="Stay, and show everything again whenever the policy or --texts changes, on the model that is loaded; "
            "Ctrl-C ends. Lines may be typed meanwhile. Without a text, typing on a terminal does the same.",
        ),
    ] = False,
    max_tokens: ServedMaxTokensOption = None,
    json_lines: Annotated[bool, typer.Option("--json", help="One JSON object per text instead of a picture.")] = False,
) -> None:
    """Score texts under one tenant's policy, without Kafka: try labels and thresholds before they go live.

    Every label's score is shown; those that reach their threshold are marked. A text of which the worker would make a
    dead letter is shown as one, with its reason.
    """
    import orjson

    from worker.commands.classifier import classifier_of, load_model_aloud, say, show
    from worker.commands.served import served
    from worker.commands.terminal import terminal
    from worker.commands.trial import Trial, follow, text_lines
    from worker.telemetry.printable import printable

    chosen = served(policy, tenant, config, model, max_tokens)
    texts = texts.expanduser() if texts is not None else None
    given: list[str | bytes] = [*(text or [])]
    if texts is not None and not watch:
        given += text_lines(texts)
    on_terminal = sys.stdin is not None and sys.stdin.isatty()
    typing = not text and texts is None and on_terminal
    console = terminal()

    def show_one(shown: str | bytes, outcome: "Scored | Refused") -> None:
        if json_lines or not console.is_terminal:
            typer.echo(orjson.dumps(as_json(outcome)))
            return
        if watch or typing:
            console.print(printable(shown if isinstance(shown, str) else shown.decode(errors="replace")), style="bold")
        show(console, outcome)

    scorer = load_model_aloud(chosen.model)
    if not watch and not typing:
        classifier = classifier_of(chosen, scorer)
        for each in given if text or texts is not None else _lines_of_stdin():
            show_one(each, *classifier.classify([each]))
        return
    trial = Trial(
        lambda: classifier_of(served(policy, tenant, config, model, max_tokens), scorer),
        show_one,
        say,
        policy_file=chosen.source,
        texts=given,
        texts_file=texts,
    )
    if on_terminal:
        say("Type a text and press Enter; the policy is read again when it changes. Ctrl-D or Ctrl-C ends.")
    try:
        follow(trial, _descriptor_of_stdin(), ends_with_input=on_terminal)
    except KeyboardInterrupt:
        return


def as_json(outcome: "Scored | Refused") -> dict[str, object]:
    """What one line of output holds: the tasks of a scored text, or the reason of a dead letter."""
    from worker.content.text_classifier import Refused

    if isinstance(outcome, Refused):
        return {"dead_letter": {"reason": outcome.reason, "error": outcome.error}}
    tasks = {name: task.model_dump(exclude_none=True) for name, task in outcome.tasks.items()}
    found: dict[str, object] = {"tasks": tasks, "truncated_tokens": outcome.truncated_tokens}
    return found | ({"replaced_characters": outcome.replaced_characters} if outcome.replaced_characters else {})


def _lines_of_stdin() -> Iterator[bytes]:
    return (line.rstrip(b"\r\n") for line in sys.stdin.buffer)


def _descriptor_of_stdin() -> int | None:
    try:
        return sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):  # closed, or replaced by something that is no file
        return None
