"""`gliclass-worker classify`: texts under one tenant's policy, without Kafka."""

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from worker.commands.inputs import ModelOption, PolicyOption, ServedConfigOption, ServedMaxTokensOption, TenantOption

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
    max_tokens: ServedMaxTokensOption = None,
    json_lines: Annotated[bool, typer.Option("--json", help="One JSON object per text instead of a picture.")] = False,
) -> None:
    """Score texts under one tenant's policy, without Kafka: try labels and thresholds before they go live.

    Every label's score is shown; those that reach their threshold are marked. A text of which the worker would make a
    dead letter is shown as one, with its reason.
    """
    import orjson

    from worker.commands.classifier import load_classifier, show
    from worker.commands.served import served
    from worker.commands.terminal import terminal

    classifier = load_classifier(served(policy, tenant, config, model, max_tokens))
    console = terminal()
    texts: Iterable[str | bytes] = text or (line.rstrip(b"\r\n") for line in sys.stdin.buffer)
    for each in texts:
        (outcome,) = classifier.classify([each])
        if json_lines or not console.is_terminal:
            typer.echo(orjson.dumps(as_json(outcome)))
        else:
            show(console, outcome)


def as_json(outcome: "Scored | Refused") -> dict[str, object]:
    """What one line of output holds: the tasks of a scored text, or the reason of a dead letter."""
    from worker.content.text_classifier import Refused

    if isinstance(outcome, Refused):
        return {"dead_letter": {"reason": outcome.reason, "error": outcome.error}}
    tasks = {name: task.model_dump(exclude_none=True) for name, task in outcome.tasks.items()}
    found: dict[str, object] = {"tasks": tasks, "truncated_tokens": outcome.truncated_tokens}
    return found | ({"replaced_characters": outcome.replaced_characters} if outcome.replaced_characters else {})
