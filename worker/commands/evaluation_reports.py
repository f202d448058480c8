"""What `evaluate` shows and writes, of a checkpoint alone and of a tenant's policy."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from model.training.bootstrap import paired_bootstrap
from model.training.data import TrainingExample
from model.training.evaluation import Evaluation, choose, macro_f1, sigmoid, softmax
from model.training.evaluation import evaluate as figures_of
from model.training.scoring import ScoredSet, score_set
from schemas.settings import ModelSettings
from worker.commands.classifier import classifier_of, load_model_aloud
from worker.commands.labelled import LabelledText
from worker.commands.policy_evaluation import TaskDecisions, decisions, macro_f1_difference
from worker.commands.served import Served
from worker.commands.tables import comparison_table, figures_table, label_table
from worker.commands.terminal import terminal

Draw = Callable[[Path], None]


def report_checkpoint(
    settings: ModelSettings,
    examples: Sequence[TrainingExample],
    compare: str | None,
    mode: str | None,
    threshold: float | None,
) -> tuple[dict[str, Any], Draw]:
    """Show the figures of a checkpoint; returns them for a report, with what draws the confusion matrix.

    Raises ModelError for a checkpoint or a label set that cannot be used.
    """
    first = score_set(load_model_aloud(settings), examples)
    multi_label = first.multi_label if mode is None else mode == "multi"

    def measured(scored: ScoredSet) -> Evaluation:
        return figures_of(scored.logits, scored.truth, scored.labels, multi_label=multi_label, threshold=threshold)

    figures = measured(first)
    further = {"texts per second": f"{first.texts_per_second:.1f}", "texts cut to the window": str(first.truncated)}
    console = terminal()
    console.print(figures_table(figures, f"mode {'multi' if multi_label else 'single'}", further))
    console.print(label_table(figures))
    written = asdict(figures) | {"confusion": figures.confusion.tolist(), "texts_per_second": first.texts_per_second}
    if compare is not None:
        second = score_set(load_model_aloud(_other(settings, compare)), examples)
        chosen = [
            choose((sigmoid if multi_label else softmax)(one.logits), multi_label=multi_label, threshold=threshold)
            for one in (first, second)
        ]
        interval = paired_bootstrap(macro_f1, chosen[0], chosen[1], first.truth)
        other = measured(second)
        console.print(comparison_table(figures, other, interval))
        written["compared"] = asdict(other) | {"confusion": other.confusion.tolist()}
        written["macro_f1_difference"] = asdict(interval)
    return written, _drawing(figures, first.labels)


def report_policy(served: Served, rows: Sequence[LabelledText], compare: str | None) -> tuple[dict[str, Any], Draw]:
    """Show what the worker would decide of labelled texts; returns it for a report, with what draws the last task.

    Raises ModelError, PolicyError.
    """
    measured, first = _decided(served, served.model, rows)
    second = _decided(served, _other(served.model, compare), rows)[1] if compare is not None else None
    console = terminal()
    tasks: dict[str, Any] = {}
    for place, task in enumerate(first):
        figures = task.figures
        console.print(figures_table(figures, f"task {task.task}, mode {task.mode}, as the worker decides", _told(task)))
        console.print(label_table(figures))
        tasks[task.task] = task.as_json()
        if second is not None:
            interval = macro_f1_difference(task, second[place])
            console.print(comparison_table(figures, second[place].figures, interval))
            tasks[task.task] |= {"compared": second[place].as_json(), "macro_f1_difference": asdict(interval)}
    last = first[-1]
    return {"tenant": served.tenant, **measured, "tasks": tasks}, _drawing(last.figures, last.labels)


def _decided(
    served: Served, settings: ModelSettings, rows: Sequence[LabelledText]
) -> tuple[dict[str, str], list[TaskDecisions]]:
    """What was measured, as output records name it, and what it decided."""
    scorer = load_model_aloud(settings)
    classifier = classifier_of(served, scorer)
    measured = {"policy_version": classifier.policy.version, "model_digest": scorer.digest}
    return measured, list(decisions(classifier, rows))


def _told(task: TaskDecisions) -> dict[str, str]:
    said, right, both = task.none
    told = {"texts for which none is chosen": f"{said}, right for {both} of the {right} that have no label"}
    if task.dead_letters:
        reasons = ", ".join(f"{reason} {count}" for reason, count in task.dead_letters.items())
        told["dead letters, nothing chosen"] = reasons
    return told | {"texts not read to the end": str(task.truncated)}


def _other(settings: ModelSettings, path: str) -> ModelSettings:
    return settings.model_copy(update={"path": path, "revision": None})


def _drawing(figures: Evaluation, labels: Sequence[str]) -> Draw:
    def draw(path: Path) -> None:
        from model.training.plots import confusion_matrix

        confusion_matrix(figures.confusion, labels, path)

    return draw
