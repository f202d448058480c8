"""What the thresholds make of the scores. Pure: the same logits and policy give the same decision."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.policy import Calibration
from schemas.records import TaskResult
from worker.policies.compiled import CompiledPolicy, CompiledTask

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


def probabilities(logits: Sequence[float], mode: str, calibration: Calibration) -> list[float]:
    """Calibrated scores: a softmax over the labels in mode single, a sigmoid of each in mode multi.

    In plain floats: for the dozen labels of a usual task numpy's calls cost ten times as much as the arithmetic.
    """
    temperature, bias = calibration.temperature, calibration.bias
    if mode == "multi":
        return [0.5 + 0.5 * math.tanh(0.5 * (logit / temperature + bias)) for logit in logits]
    highest = max(logits)
    exponentials = [math.exp((logit - highest) / temperature) for logit in logits]
    total = math.fsum(exponentials)
    return [exponential / total for exponential in exponentials]


def _result(task: CompiledTask, logits: NDArray[np.float32]) -> TaskResult:
    labels, mode = task.label_set.labels, task.task.mode
    if logits.shape != (len(labels),):
        raise DecisionError(f"task {task.name}: logits of shape {logits.shape} for {len(labels)} labels")
    values: list[float] = logits.tolist()
    if not all(map(math.isfinite, values)):
        raise DecisionError(f"task {task.name}: the model's logits are not all finite")
    exact = probabilities(values, mode, task.task.calibration)
    scores = [round(score, DECIMALS) for score in exact]
    candidates = [exact.index(max(exact))] if mode == "single" else range(len(labels))
    reached = [index for index in candidates if scores[index] >= task.thresholds[index]]
    reached.sort(key=exact.__getitem__, reverse=True)  # stable also in reverse: of equal scores the first stays first
    # In one validation: a label at a time costs as much as all else here.
    return TaskResult.model_validate(
        {
            "mode": mode,
            "labels": [{"label": labels[index], "score": scores[index]} for index in reached],
            "none": not reached,
            "scores": _nested(task, scores) if task.publish_all_scores else None,
        }
    )


def _nested(task: CompiledTask, scores: Sequence[float]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for leaf, score in zip(task.task.leaves, scores, strict=True):
        branch = tree
        for part in leaf.path[:-1]:
            branch = branch.setdefault(part, {})
        branch[leaf.path[-1]] = score
    return tree
