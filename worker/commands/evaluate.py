"""`gliclass-worker evaluate`: how good a checkpoint is on labelled texts, and whether another is better."""

import json
from pathlib import Path
from typing import Annotated

import typer

from worker.commands.inputs import MAX_TOKENS, MaxTokensOption, model_folder, read_all


def evaluate(
    data: Annotated[Path, typer.Option(help="JSONL, JSON or a set's folder (its test rows).")],
    model: Annotated[str | None, typer.Option("--model", "-m", help="Checkpoint; default: the starter.")] = None,
    compare: Annotated[str | None, typer.Option(help="A second checkpoint, on the same texts.")] = None,
    labels: Annotated[str | None, typer.Option(help="Candidate labels of plain rows in a file, by commas.")] = None,
    mode: Annotated[
        str | None, typer.Option(help="single or multi; default: multi if a text has several true labels.")
    ] = None,
    threshold: Annotated[
        float, typer.Option(min=0, max=1, help="From which score on a label is chosen in mode multi.")
    ] = 0.5,
    split: Annotated[str | None, typer.Option(help="Which rows of a set; default: test for a folder.")] = None,
    picture: Annotated[Path | None, typer.Option(help="Write the confusion matrix to this PNG.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write the figures as JSON to this file.")] = None,
    max_tokens: MaxTokensOption = MAX_TOKENS,
) -> None:
    """Macro and micro F1, accuracy, calibration error, precision and recall of each label, throughput."""
    from dataclasses import asdict

    from model.scorer import Scorer
    from model.training.bootstrap import paired_bootstrap
    from model.training.evaluation import argmax_choice, macro_f1, sigmoid
    from model.training.evaluation import evaluate as figures_of
    from model.training.scoring import ScoredSet, score_set
    from worker.commands.outputs import output_file, output_picture, write_text
    from worker.commands.tables import comparison_table, figures_table, label_table
    from worker.commands.terminal import terminal

    if mode not in (None, "single", "multi"):
        raise typer.BadParameter("--mode is single or multi")
    picture, report = output_picture("--picture", picture), output_file("--report", report)
    examples = read_all(data, labels, split or ("test" if data.is_dir() else None))
    console = terminal()

    def scored(name: str | None) -> ScoredSet:
        return score_set(Scorer.load(model_folder(name), max_tokens=max_tokens), examples)

    first = scored(model)
    multi_label = first.multi_label if mode is None else mode == "multi"
    figures = figures_of(first.logits, first.truth, first.labels, multi_label=multi_label, threshold=threshold)
    console.print(figures_table(figures, first, "multi" if multi_label else "single"))
    console.print(label_table(figures))
    written = asdict(figures) | {"confusion": figures.confusion.tolist(), "texts_per_second": first.texts_per_second}
    if compare is not None:
        second = scored(compare)
        chosen = [
            sigmoid(one.logits) >= threshold if multi_label else argmax_choice(one.logits) for one in (first, second)
        ]
        interval = paired_bootstrap(macro_f1, chosen[0], chosen[1], first.truth)
        other = figures_of(second.logits, second.truth, second.labels, multi_label=multi_label, threshold=threshold)
        console.print(comparison_table(figures, other, interval))
        written["compared"] = asdict(other) | {"confusion": other.confusion.tolist()}
        written["macro_f1_difference"] = asdict(interval)
    if report is not None:
        write_text(report, json.dumps(written, indent=2) + "\n", typer.echo)
    if picture is not None:
        from model.training.plots import confusion_matrix

        confusion_matrix(figures.confusion, first.labels, picture)
        console.print(f"confusion matrix: {picture}")
