"""Labelled texts under a tenant's policy: what the worker would decide of them, held against what is right."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.training.bootstrap import Interval, paired_bootstrap
from model.training.evaluation import Evaluation, figures, macro_f1
from schemas.policy import Task
from schemas.records import DeadLetterReason
from worker.commands.classifier import flat_scores
from worker.commands.labelled import LabelledText, answers_of, tasks_of
from worker.content.text_classifier import Refused, Scored, TextClassifier


@dataclass(frozen=True, slots=True)
class TaskDecisions:
    """What one task decided of the texts that are labelled for it.

    Attributes:
        probabilities, chosen, truth: [texts, labels].
        scored: [texts]; False for a dead letter, of which nothing is chosen.
        dead_letters: how many, by reason.
        truncated: texts of which the model did not read all.
    """

    task: str
    mode: str
    labels: tuple[str, ...]
    probabilities: NDArray[np.float64]
    chosen: NDArray[np.bool_]
    truth: NDArray[np.bool_]
    scored: NDArray[np.bool_]
    dead_letters: Counter[DeadLetterReason] = field(default_factory=Counter)
    truncated: int = 0

    @property
    def figures(self) -> Evaluation:
        """The figures of these decisions; dead letters count as texts for which nothing was chosen."""
        return figures(
            self.probabilities,
            self.chosen,
            self.truth,
            self.labels,
            multi_label=self.mode == "multi",
            asked=np.broadcast_to(self.scored[:, None], self.truth.shape),
        )

    @property
    def none(self) -> tuple[int, int, int]:
        """Texts for which no label was chosen, for which none is right, and for which both hold."""
        said, right = ~self.chosen.any(axis=1), ~self.truth.any(axis=1)
        return int(said.sum()), int(right.sum()), int((said & right).sum())

    def as_json(self) -> dict[str, Any]:
        """Everything of it that belongs into a report."""
        found = self.figures
        none = dict(zip(("said", "right", "said_and_right"), self.none, strict=True))
        return asdict(found) | {
            "mode": self.mode,
            "confusion": found.confusion.tolist(),
            "none": none,
            "dead_letters": dict(self.dead_letters),
            "truncated_texts": self.truncated,
        }


def decisions(classifier: TextClassifier, rows: Sequence[LabelledText]) -> Iterator[TaskDecisions]:
    """Every task that the rows label, each text scored once under the whole policy."""
    outcomes = classifier.classify([row.text for row in rows])
    for name in tasks_of(rows):
        of_task = [outcome for row, outcome in zip(rows, outcomes, strict=True) if name in row.labels]
        task = classifier.policy.policy.tasks[name]
        yield _task_decisions(name, task, of_task, answers_of(rows, name, task))


def macro_f1_difference(first: TaskDecisions, second: TaskDecisions) -> Interval:
    """Of the second's to the first's, over resamples of the same texts."""
    return paired_bootstrap(macro_f1, first.chosen, second.chosen, first.truth)


def _task_decisions(
    name: str, task: Task, outcomes: Sequence[Scored | Refused], truth: NDArray[np.bool_]
) -> TaskDecisions:
    labels = task.label_names
    found = TaskDecisions(
        task=name,
        mode=task.mode,
        labels=labels,
        probabilities=np.zeros(truth.shape),
        chosen=np.zeros_like(truth),
        truth=truth,
        scored=np.array([isinstance(outcome, Scored) for outcome in outcomes], dtype=bool),
        dead_letters=Counter(outcome.reason for outcome in outcomes if isinstance(outcome, Refused)),
        truncated=sum(isinstance(outcome, Scored) and outcome.truncated_tokens > 0 for outcome in outcomes),
    )
    for row, outcome in enumerate(outcomes):
        if isinstance(outcome, Scored):
            result = outcome.tasks[name]
            scores = flat_scores(result.scores or {})
            decided = {each.label for each in result.labels}
            found.probabilities[row] = [scores[label] for label in labels]
            found.chosen[row] = [label in decided for label in labels]
    return found
