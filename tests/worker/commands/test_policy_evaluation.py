import numpy as np
import pytest
from support.policies import policy_file

from model.scorer import Scorer
from schemas.records import DeadLetterReason
from worker.commands.labelled import LabelledText
from worker.commands.policy_evaluation import decisions, macro_f1_difference
from worker.content.text_classifier import Scored, TextClassifier

POLICIES = policy_file(
    """
tenants:
  shop:
    tasks:
      queue:
        mode: single
        labels: {money: [billing], goods: [delivery, returns]}
        threshold: 0.34
        calibration: {temperature: 0.5}
      abuse: {mode: multi, labels: [threat, insult], thresholds: {threat: 0.5001}, calibration: {bias: -0.2}}
"""
)
ROWS = [
    LabelledText("1", "Where is my parcel?", {"queue": ("goods.delivery",), "abuse": ()}),
    LabelledText("2", "", {"queue": ("money.billing",)}),
    LabelledText("3", "you will regret this", {"abuse": ("threat",)}),
    LabelledText("4", "I was charged twice", {"queue": ()}),
]


@pytest.fixture(name="classifier")
def _classifier(scorer: Scorer) -> TextClassifier:
    return TextClassifier(scorer, POLICIES, "shop", 1000)


def test_each_task_is_measured_on_what_the_worker_decides(classifier: TextClassifier) -> None:
    queue, abuse = decisions(classifier, ROWS)
    assert (queue.task, abuse.task) == ("queue", "abuse")
    assert queue.labels == ("money.billing", "goods.delivery", "goods.returns")
    for task, texts in ((queue, [0, 3]), (abuse, [0, 2])):
        for outcome, row in zip(classifier.classify([ROWS[at].text for at in texts]), [0, -1], strict=True):
            assert isinstance(outcome, Scored)
            decided = {each.label for each in outcome.tasks[task.task].labels}
            assert {label for label, is_in in zip(task.labels, task.chosen[row], strict=True) if is_in} == decided


def test_a_dead_letter_chooses_nothing_and_is_counted(classifier: TextClassifier) -> None:
    queue, _ = decisions(classifier, ROWS)
    assert queue.scored.tolist() == [True, False, True]
    assert not queue.chosen[1].any()
    assert queue.dead_letters == {DeadLetterReason.TEXT_EMPTY: 1}
    assert queue.figures.texts == 3
    assert queue.as_json()["dead_letters"] == {"text_empty": 1}


def test_none_is_right_where_none_is_true(classifier: TextClassifier) -> None:
    queue, _ = decisions(classifier, ROWS)
    nothing = np.zeros_like(queue.chosen)
    queue.chosen[:] = nothing
    assert queue.none == (3, 1, 1)
    assert queue.figures.accuracy == pytest.approx(1 / 3)


def test_a_policy_does_not_differ_from_itself(classifier: TextClassifier) -> None:
    (first, _), (second, _) = decisions(classifier, ROWS), decisions(classifier, ROWS)
    assert macro_f1_difference(first, second).difference == 0
