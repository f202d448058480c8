"""`gliclass-worker evaluate`: how good a checkpoint, or a tenant's policy on it, is on labelled texts."""

import json
from pathlib import Path
from typing import Annotated

import typer

from worker.commands.inputs import (
    ROW_FORM,
    Candidates,
    IgnoreUnknownLabelsOption,
    LabelsFileOption,
    LabelsOption,
    ModelOption,
    PolicyOption,
    ServedConfigOption,
    ServedMaxTokensOption,
    TaskOption,
    TenantOption,
    candidates,
    read_all,
)
from worker.errors import ConfigurationError


def evaluate(
    data: Annotated[Path, typer.Option(help=f"JSONL, JSON or a set's folder (its test rows). {ROW_FORM}")],
    policy: PolicyOption = None,
    tenant: TenantOption = None,
    task: TaskOption = None,
    config: ServedConfigOption = None,
    model: ModelOption = None,
    compare: Annotated[str | None, typer.Option(help="A second checkpoint, on the same texts.")] = None,
    labels: LabelsOption = None,
    labels_file: LabelsFileOption = None,
    ignore_unknown_labels: IgnoreUnknownLabelsOption = False,
    mode: Annotated[
        str | None,
        typer.Option(help="Without a policy: single or multi; default: multi if a text has several true labels."),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Without a policy: score that a label must reach to be chosen; default: 0.5 in mode multi, 0 in mode "
            "single, where only the best label can be.",
        ),
    ] = None,
    split: Annotated[str | None, typer.Option(help="Which rows of a set; default: test for a folder.")] = None,
    picture: Annotated[Path | None, typer.Option(help="Write the confusion matrix to this PNG.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write the figures as JSON to this file.")] = None,
    max_tokens: ServedMaxTokensOption = None,
) -> None:
    """Macro and micro F1, accuracy, calibration error, precision and recall of each label.

    With --policy (and --tenant, --task) it measures what the worker would decide: the policy's thresholds, calibration,
    descriptions, hierarchy, long texts and "none". Without, it measures a checkpoint alone, under the rows' labels.

    macro-F1 is the mean F1 of the labels that are true for some text. Where labels are true for none, the mean over all
    labels is shown too, with 0 for those: what scikit-learn gives when it is told all labels.
    """
    from worker.commands.classifier import say
    from worker.commands.outputs import output_file, output_picture, write_text
    from worker.commands.served import model_settings, served
    from worker.config import load_settings

    if mode not in (None, "single", "multi"):
        raise typer.BadParameter("--mode is single or multi")
    picture, report = output_picture("--picture", picture), output_file("--report", report)
    rows_of = split or ("test" if data.is_dir() else None)
    if policy is not None or tenant is not None or task is not None:
        for name, value in (("--mode", mode), ("--threshold", threshold), ("--labels", labels or labels_file)):
            if value is not None:
                raise ConfigurationError(name, ["is the policy's to say: leave it out, or change the policy"])
        from worker.commands.labelled import read_labelled, tasks_of

        chosen = served(policy, tenant, config, model, max_tokens)
        found = Candidates.of_policy(chosen.policy.tasks, task, ignore_unknown=ignore_unknown_labels)
        rows = read_labelled(data.expanduser(), chosen.policy.tasks, task, split=rows_of, left_out=found.left_out)
        if picture is not None and len(tasks := tasks_of(rows)) > 1:
            raise ConfigurationError("--picture", [f"draws one task: choose it with --task ({', '.join(tasks)})"])
        found.tell_left_out()
        _enough_to_compare(compare, min(sum(name in row.labels for row in rows) for name in tasks_of(rows)))
        say(f"{len(rows)} rows read")
        from worker.commands.evaluation_reports import report_policy

        written, draw = report_policy(chosen, rows, compare)
    else:
        source = candidates(labels, labels_file, None, None, None, ignore_unknown=ignore_unknown_labels)
        examples = read_all(data, source, rows_of)
        source.tell_left_out()
        _enough_to_compare(compare, len(examples))
        settings = model_settings(load_settings(config) if config else None, model, max_tokens)
        say(f"{len(examples)} rows read")
        from worker.commands.evaluation_reports import report_checkpoint

        written, draw = report_checkpoint(settings, examples, compare, mode, threshold)
    if report is not None:
        write_text(report, json.dumps(written, indent=2) + "\n", typer.echo)
    if picture is not None:
        draw(picture)
        typer.echo(f"confusion matrix: {picture}")


def _enough_to_compare(compare: str | None, texts: int) -> None:
    if compare is not None and texts < 2:
        raise ConfigurationError("--compare", [f"needs at least two texts with labels, got {texts}"])
