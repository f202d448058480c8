"""What the thresholds make of the scores. Pure: the same logits and policy give the same decision."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.policy import Calibration
from schemas.records import LabelScore, TaskResult
from worker.policies import CompiledPolicy, CompiledTask

DECIMALS = 4


class DecisionError(ValueError):
    """The model's answer cannot be decided on."""


def decide(policy: CompiledPolicy, logits: Sequence[NDArray[np.float32]]) -> dict[str, TaskResult]:
    """The result of each task, by name.

    `logits` has one array per task of the policy, in its order, of shape [labels]. A label is chosen when its score,
    rounded as published, reaches its threshold; in mode single only the best label can be. Raises DecisionError when a
    logit is not finite or arrays are missing.
    """
    if len(logits) != len(policy.tasks):
        raise DecisionError(f"the model answered {len(logits)} tasks of {len(policy.tasks)}")
    return {task.name: _result(task, task_logits) for task, task_logits in zip(policy.tasks, logits, strict=True)}


def probabilities(logits: NDArray[np.float32], mode: str, calibration: Calibration) -> NDArray[np.float64]:
    """Calibrated scores: a softmax over the labels in mode single, a sigmoid of each in mode multi."""
    scaled = logits.astype(np.float64) / calibration.temperature
    if mode == "multi":
        return 0.5 * (1.0 + np.tanh(0.5 * (scaled + calibration.bias)))
    exponentials = np.exp(scaled - scaled.max())
    return exponentials / exponentials.sum()


def _result(task: CompiledTask, logits: NDArray[np.float32]) -> TaskResult:
    labels = task.label_set.labels
    if logits.shape != (len(labels),):
        raise DecisionError(f"task {task.name}: logits of shape {logits.shape} for {len(labels)} labels")
    if not np.isfinite(logits).all():
        raise DecisionError(f"task {task.name}: the model's logits are not all finite")
    exact = probabilities(logits, task.task.mode, task.task.calibration)
    scores = [round(score, DECIMALS) for score in exact.tolist()]
    if task.task.mode == "single":
        best = int(np.argmax(exact))
        candidates = [best]
    else:
        candidates = np.argsort(-exact, kind="stable").tolist()
    chosen = [
        LabelScore(label=labels[index], score=scores[index])
        for index in candidates
        if scores[index] >= task.thresholds[index]
    ]
    return TaskResult(
        mode=task.task.mode,
        labels=chosen,
        none=not chosen,
        scores=_nested(task, scores) if task.publish_all_scores else None,
    )


def _nested(task: CompiledTask, scores: Sequence[float]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for leaf, score in zip(task.task.leaves, scores, strict=True):
        branch = tree
        for part in leaf.path[:-1]:
            branch = branch.setdefault(part, {})
        branch[leaf.path[-1]] = score
    return tree
