from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.policies import policy_file

from model.prompt import EncodedText
from model.scorer import Scorer
from model.training.calibration import Goal, Scaling, TaskCalibration
from schemas.policy import Task
from worker.commands.labelled import LabelledText
from worker.commands.policy_patch import CalibratedTask, as_it_is, calibrate_tasks
from worker.content.text_classifier import TextClassifier

LABELS = ("a", "b", "c")


def _opinionated(self: Scorer, batch: Sequence[EncodedText]) -> list[list[NDArray[np.float32]]]:
    """Logits that differ from text to text by more than those of a model of a few kilobytes do."""
    seeds = [int(text.passes[0].token_ids.sum()) for text in batch]
    return [[np.random.default_rng(seed).normal(0, 2, len(LABELS)).astype(np.float32)] for seed in seeds]


@pytest.fixture(name="calibrated")
def _calibrated(scorer: Scorer, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(Scorer, "score", _opinionated)
    rows = [LabelledText(str(place), "text " * place, {"kind": (LABELS[place % 3],)}) for place in range(1, 31)]

    def calibrated(task: str, goal: str = "f1") -> CalibratedTask:
        file = policy_file(f"tenants: {{acme: {{tasks: {{kind: {{labels: [a, b, c], {task}}}}}}}}}")
        (found,) = calibrate_tasks(TextClassifier(scorer, file, "acme", 10_000), rows, Goal.parse(goal))
        return found

    return calibrated


def test_what_the_policy_says_of_a_task_now_is_read_whole() -> None:
    task = Task.model_validate(
        {
            "mode": "multi",
            "labels": ["a", "b"],
            "threshold": 0.3,
            "thresholds": {"b": 0.7},
            "calibration": {"temperature": 2.0, "bias": -1.0},
        }
    )
    assert as_it_is(task) == TaskCalibration(Scaling(2.0, -1.0), (0.3, 0.7))


def test_in_mode_multi_every_label_gets_its_threshold(calibrated: Any) -> None:
    patch = calibrated("mode: multi, threshold: 0.2").patch
    assert patch["calibration"].keys() == {"temperature", "bias"}
    assert list(patch["thresholds"]) == list(LABELS)
    assert "threshold" not in patch


def test_in_mode_single_thresholds_are_patched_where_the_policy_has_them(calibrated: Any) -> None:
    assert calibrated("mode: single").patch.keys() == {"calibration"}
    assert not calibrated("mode: single").moved
    common = calibrated("mode: single, threshold: 0.5, calibration: {temperature: 5}")
    assert common.moved
    assert common.patch.keys() == {"calibration", "threshold"}
    own = calibrated("mode: single, threshold: 0.5, thresholds: {b: 0.6}, calibration: {temperature: 5}").patch
    assert own["threshold"] == common.patch["threshold"]
    assert list(own["thresholds"]) == ["b"]
    covered = calibrated("mode: single, threshold: 0.5, thresholds: {a: 0.6, b: 0.6, c: 0.6}").patch
    assert covered.keys() == {"calibration", "thresholds"}


def test_a_goal_in_mode_single_gives_every_label_a_threshold_of_its_own(calibrated: Any) -> None:
    found = calibrated("mode: single, threshold: 0.5", "precision>=0.9")
    assert list(found.patch["thresholds"]) == list(LABELS)
    assert not found.moved
    assert all(found.patch["thresholds"][label] == 1.0 for label in found.unreachable)
