"""`gliclass-worker calibrate`: honest scores and fitting thresholds for one tenant, from a few labelled texts."""

from pathlib import Path
from typing import Annotated

import typer

from worker.commands.inputs import (
    Candidates,
    IgnoreUnknownLabelsOption,
    ModelOption,
    PolicyOption,
    ServedConfigOption,
    ServedMaxTokensOption,
    TaskOption,
    TenantOption,
)


def calibrate(
    labelled: Annotated[
        Path,
        typer.Option(
            help="JSONL, JSON or a set's folder (its train rows). A row is "
            """{"text": "…", "labels": ["a"]}, or {"text": "…", "labels": {"task": ["a"]}} for several tasks; """
            "`gliclass-worker schema train` prints its JSON Schema."
        ),
    ],
    policy: PolicyOption = None,
    tenant: TenantOption = None,
    task: TaskOption = None,
    config: ServedConfigOption = None,
    goal: Annotated[str, typer.Option(help="What thresholds are for: f1, precision>=X or recall>=X.")] = "f1",
    model: ModelOption = None,
    ignore_unknown_labels: IgnoreUnknownLabelsOption = False,
    out: Annotated[Path | None, typer.Option(help="Write the policy patch here; default: standard output.")] = None,
    picture: Annotated[
        Path | None, typer.Option(help="Folder for a reliability picture of each task, before and after.")
    ] = None,
    max_tokens: ServedMaxTokensOption = None,
) -> None:
    """Fit temperature, bias and thresholds of a tenant's tasks, say by cross-validation what they are worth, and print
    them as a patch of the policy file.

    Texts are scored as the worker would. In mode single the goal f1 leaves the best label to win, as the policy does;
    thresholds that the policy has are moved to the new scale, so that "none" keeps its meaning.
    """
    from urllib.parse import quote

    import yaml

    from model.training.calibration import Goal, check_answers
    from worker.commands.classifier import load_classifier, say
    from worker.commands.labelled import answers_of, check_visible, read_labelled, tasks_of
    from worker.commands.outputs import output_file, output_folder, require_extra, write_text
    from worker.commands.served import served
    from worker.commands.tables import calibration_table
    from worker.commands.terminal import terminal

    out, picture = output_file("--out", out), output_folder("--picture", picture)
    if picture is not None:
        require_extra("--picture", "matplotlib", "train")
    wanted = Goal.parse(goal)
    chosen = served(policy, tenant, config, model, max_tokens)
    found = Candidates.of_policy(chosen.policy.tasks, task, ignore_unknown=ignore_unknown_labels)
    rows_of = "train" if labelled.is_dir() else None
    rows = read_labelled(labelled.expanduser(), chosen.policy.tasks, task, split=rows_of, left_out=found.left_out)
    found.tell_left_out()
    check_visible(rows)
    for name in tasks_of(rows):
        check_answers(answers_of(rows, name, chosen.policy.tasks[name]), f"task {name}: ")
    say(f"{len(rows)} rows read")
    from worker.commands.policy_patch import CalibratedTask, calibrate_tasks

    console = terminal(stderr=True)
    patch: dict[str, object] = {}
    drawn: list[CalibratedTask] = []
    for fitted in calibrate_tasks(load_classifier(chosen), rows, wanted):
        console.print(calibration_table(fitted.task, fitted.report))
        for label in fitted.unreachable:
            console.print(f"task {fitted.task}: no threshold reaches {goal} for {label!r}; it is never chosen")
        if fitted.moved:
            console.print(f"task {fitted.task}: its thresholds are moved to the new scale, not fitted anew")
        patch[fitted.task] = fitted.patch
        drawn.append(fitted)
    written = yaml.safe_dump(chosen.patch(patch), sort_keys=False, allow_unicode=True)
    if out is None:
        typer.echo(written, nl=False)
    else:
        write_text(out, written, typer.echo)
        console.print(f"{out}: merge it into {chosen.source}")
    if picture is not None:
        from model.training.plots import reliability

        for fitted in drawn:
            # A task may be called anything; its name must not lead out of the folder.
            file = picture / f"{quote(fitted.task, safe=' ')}.png"
            reliability(fitted.before, fitted.report.held_out, fitted.truth, file)
