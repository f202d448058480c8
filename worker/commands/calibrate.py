"""`gliclass-worker calibrate`: honest scores and fitting thresholds for one tenant, from a few labelled texts."""

from pathlib import Path
from typing import Annotated

import typer

from worker.commands.inputs import MAX_TOKENS, MaxTokensOption, model_folder


def calibrate(
    policy: Annotated[Path, typer.Option("--policy", "-p", help="YAML file with the tenants' policies.")],
    labelled: Annotated[
        Path,
        typer.Option(help="JSONL of {text, labels: [...]}, or {text, labels: {task: [...]}} for several tasks."),
    ],
    tenant: Annotated[
        str | None, typer.Option("--tenant", "-t", help="Whose policy; may be left out where there is only one.")
    ] = None,
    task: Annotated[str | None, typer.Option(help="Only this task; default: every task the file labels.")] = None,
    goal: Annotated[str, typer.Option(help="What thresholds are for: f1, precision>=X or recall>=X.")] = "f1",
    model: Annotated[str | None, typer.Option("--model", "-m", help="Checkpoint; default: the starter.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the policy patch here; default: standard output.")] = None,
    picture: Annotated[
        Path | None, typer.Option(help="Folder for a reliability picture of each task, before and after.")
    ] = None,
    max_tokens: MaxTokensOption = MAX_TOKENS,
) -> None:
    """Fit temperature, bias and thresholds of a tenant's tasks, say by cross-validation what they are worth, and print
    them as a patch of the policy file.
    """
    from urllib.parse import quote

    import yaml

    from model.scorer import Scorer
    from model.training.calibration import Goal
    from worker.commands.outputs import output_file, output_folder, require_extra, write_text
    from worker.commands.policy_patch import CalibratedTask, calibrate_tasks, choose_tenant
    from worker.commands.tables import calibration_table
    from worker.commands.terminal import terminal
    from worker.config import load_policies

    out, picture = output_file("--out", out), output_folder("--picture", picture)
    if picture is not None:
        require_extra("--picture", "matplotlib", "train")
    wanted = Goal.parse(goal)
    name, tenant_policy = choose_tenant(load_policies(policy), tenant, str(policy))
    scorer = Scorer.load(model_folder(model), max_tokens=max_tokens)
    console = terminal(stderr=True)
    patch: dict[str, object] = {}
    drawn: list[CalibratedTask] = []
    for fitted in calibrate_tasks(scorer, tenant_policy, labelled, task, wanted):
        console.print(calibration_table(fitted.task, fitted.report))
        for label in fitted.unreachable:
            console.print(f"task {fitted.task}: no threshold reaches {goal} for {label!r}; it is never chosen")
        patch[fitted.task] = fitted.patch
        drawn.append(fitted)
    document = {"default": {"tasks": patch}} if name is None else {"tenants": {name: {"tasks": patch}}}
    written = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    if out is None:
        typer.echo(written, nl=False)
    else:
        write_text(out, written, typer.echo)
        console.print(f"{out}: merge it into {policy}")
    if picture is not None:
        from model.training.plots import reliability

        for fitted in drawn:
            # A task may be called anything; its name must not lead out of the folder.
            file = picture / f"{quote(fitted.task, safe=' ')}.png"
            reliability(fitted.before, fitted.report.held_out, fitted.truth, file)
