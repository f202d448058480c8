"""A task's calibration: its temperature, bias and thresholds, fitted from a few labelled rows. Pure numpy.

It belongs to a tenant's policy and works on the scores of any checkpoint; the network of the same purpose that is part
of a checkpoint is `model.calibrator`.

probability = sigmoid(logit / temperature + bias), or softmax(logit / temperature) where labels exclude each other. Both
parameters have a prior around "as the model says", so that twenty rows cannot move them far (Platt 1999 regularises for
the same reason).
"""

import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.training.errors import DataError
from model.training.evaluation import (
    argmax_choice,
    expected_calibration_error,
    macro_f1,
    micro_f1,
    sigmoid,
    softmax,
)

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]

LOG_SLOPE_SPREAD = 1.0
BIAS_SPREAD = 2.0
SMALLEST_TEMPERATURE, LARGEST_TEMPERATURE = 0.01, 1000.0
OWN_THRESHOLD_TEXTS = 15.0
FOLDS = 5
DECIMALS = 4
"""Of everything that goes into a policy, and of the scores that are held against thresholds: as they are published."""

_GOAL = re.compile(r"^(precision|recall)\s*>=\s*(0?\.\d+|1(?:\.0*)?|0)$")


@dataclass(frozen=True, slots=True)
class Goal:
    """What thresholds are chosen for: the best F1, or the best of one side while the other reaches `minimum`."""

    kind: str = "f1"
    minimum: float = 0.0

    @classmethod
    def parse(cls, text: str) -> "Goal":
        """`f1`, `precision>=0.9` or `recall>=0.8`. Raises DataError for anything else."""
        if text.strip() == "f1":
            return cls()
        if match := _GOAL.match(text.strip()):
            return cls(match[1], float(match[2]))
        raise DataError(f"goal {text!r} is not known; use f1, precision>=X or recall>=X with X from 0 to 1")


@dataclass(frozen=True, slots=True)
class Scaling:
    """logit / temperature + bias."""

    temperature: float = 1.0
    bias: float = 0.0

    def probabilities(self, logits: Floats, *, multi_label: bool) -> Floats:
        """[texts, labels] of a sigmoid (multi) or a softmax (single)."""
        scaled = logits / self.temperature + self.bias
        return sigmoid(scaled) if multi_label else softmax(scaled)


@dataclass(frozen=True, slots=True)
class TaskCalibration:
    """What is written into a task's policy.

    Attributes:
        thresholds: one per label, in probability.
        unreachable: labels for which no threshold reaches the goal; theirs is 1.
    """

    scaling: Scaling
    thresholds: tuple[float, ...]
    unreachable: tuple[int, ...] = ()

    @classmethod
    def of_nothing(cls, labels: int, *, multi_label: bool) -> "TaskCalibration":
        """A task as a policy has it that says nothing of either."""
        return cls(Scaling(), (0.5 if multi_label else 0.0,) * labels)


@dataclass(frozen=True, slots=True)
class Quality:
    """Figures on rows that the fit did not see. `none` counts the texts for which no label was chosen."""

    expected_calibration_error: float
    micro_f1: float
    macro_f1: float
    precision: float
    recall: float
    none: int


@dataclass(frozen=True, slots=True)
class CalibrationReport:
    """The fit on all rows, its cross-validated quality, and that of the task as it was.

    Attributes:
        held_out: probabilities [texts, labels] of each row under the fit that did not see it.
    """

    fitted: TaskCalibration
    before: Quality
    after: Quality
    held_out: Floats


def fit_scaling(logits: Floats, truth: Bools, *, multi_label: bool) -> Scaling:
    """The most probable temperature and bias given [texts, labels] logits and truth; the bias is 0 for single.

    Newton's method on the penalised likelihood over log(1 / temperature) and bias, with halved steps where one
    overshoots. Rows without a true label say nothing about a softmax and are left out there.
    """
    if not multi_label:
        kept = truth.any(axis=1)
        logits, truth = logits[kept], truth[kept]
    point = np.zeros(2)
    value = _penalised_loss(point, logits, truth, multi_label)
    for _ in range(100):
        gradient, curvature = _derivatives(point, logits, truth, multi_label)
        step = np.linalg.solve(curvature, gradient)
        length = 1.0
        while length > 1e-6:
            moved = point - length * step
            moved_value = _penalised_loss(moved, logits, truth, multi_label)
            if moved_value <= value:
                break
            length /= 2
        else:
            break
        improved, point, value = value - moved_value, moved, moved_value
        if improved < 1e-10:
            break
    temperature = float(np.clip(np.exp(-point[0]), SMALLEST_TEMPERATURE, LARGEST_TEMPERATURE))
    return Scaling(temperature, float(point[1]) if multi_label else 0.0)


def fit_thresholds(
    probabilities: Floats, truth: Bools, goal: Goal, *, multi_label: bool
) -> tuple[list[float], list[int]]:
    """One threshold per label for the goal, and the labels that cannot reach it.

    For F1 a label's own best threshold is drawn towards the common one by how few texts it is true for. In
    single-label tasks only the best label of a text can be chosen, so only those count, and for F1 it always is.
    """
    probabilities = np.round(probabilities, DECIMALS)
    eligible = probabilities if multi_label else np.where(argmax_choice(probabilities), probabilities, -1.0)
    if goal.kind == "f1":
        if not multi_label:
            return [0.0] * truth.shape[1], []
        common = _best_threshold(eligible.ravel(), truth.ravel())
        thresholds = []
        for label in range(truth.shape[1]):
            positives = int(truth[:, label].sum())
            share = positives / (positives + OWN_THRESHOLD_TEXTS)
            own = _best_threshold(eligible[:, label], truth[:, label]) if positives else common
            thresholds.append(_published(share * own + (1 - share) * common))
        return thresholds, []
    found = [_goal_threshold(eligible[:, label], truth[:, label], goal) for label in range(truth.shape[1])]
    return (
        [1.0 if threshold is None else _published(threshold) for threshold in found],
        [label for label, threshold in enumerate(found) if threshold is None],
    )


def fit_task(
    logits: Floats, truth: Bools, goal: Goal, *, multi_label: bool, before: TaskCalibration | None = None
) -> TaskCalibration:
    """Scaling, then thresholds on the scaled probabilities, both as they go into a policy.

    Where the goal asks for no threshold (F1 of a single-label task), those of the task `before` are moved along.
    """
    fitted = fit_scaling(logits, truth, multi_label=multi_label)
    scaling = Scaling(round(fitted.temperature, DECIMALS), round(fitted.bias, DECIMALS))
    if goal.kind == "f1" and not multi_label and before is not None:
        return TaskCalibration(scaling, move_thresholds(logits, before, scaling))
    probabilities = scaling.probabilities(logits, multi_label=multi_label)
    thresholds, unreachable = fit_thresholds(probabilities, truth, goal, multi_label=multi_label)
    return TaskCalibration(scaling, tuple(thresholds), tuple(unreachable))


def move_thresholds(logits: Floats, before: TaskCalibration, scaling: Scaling) -> tuple[float, ...]:
    """Thresholds of a single-label task that mean under `scaling` what those of `before` mean under its own.

    Labels that share a threshold go on sharing one. Of all values it is one that changes the decision on the fewest of
    the texts in `logits` [texts, labels], and of those the nearest to where a text goes whose other labels are level.
    """
    labels = logits.shape[1]
    if labels == 1:  # its softmax is 1 at every temperature
        return before.thresholds
    best = argmax_choice(logits)
    was, becomes = (
        np.round(one.probabilities(logits, multi_label=False).max(axis=1, initial=0.0), DECIMALS)
        for one in (before.scaling, scaling)
    )
    ratio = before.scaling.temperature / scaling.temperature
    moved = {0.0: 0.0}
    for threshold in set(before.thresholds) - {0.0}:
        concerned = best[:, np.asarray(before.thresholds) == threshold].any(axis=1)
        level = _level_score(threshold, labels, ratio)
        moved[threshold] = _moved_threshold(was[concerned] >= threshold, becomes[concerned], level)
    return tuple(moved[threshold] for threshold in before.thresholds)


def calibrate(
    logits: Floats,
    truth: Bools,
    labels: Sequence[str],
    goal: Goal,
    *,
    multi_label: bool,
    before: TaskCalibration | None = None,
    seed: int = 0,
) -> CalibrationReport:
    """Fit on all rows, and say by cross-validation what the fit is worth; `before` is the task as it is now.

    Raises:
        DataError: too few rows to leave some out, a logit that is not finite, or rows all of whose answers are equal.
    """
    check_answers(truth)
    if not np.isfinite(logits).all():
        raise DataError("a logit is not finite; the checkpoint is broken")
    before = before or TaskCalibration.of_nothing(len(labels), multi_label=multi_label)
    order = np.random.default_rng(seed).permutation(len(logits))
    held_out, chosen = np.zeros(logits.shape), np.zeros(truth.shape, dtype=bool)
    for fold in range(FOLDS):
        unseen = np.zeros(len(logits), dtype=bool)
        unseen[order[fold::FOLDS]] = True
        fitted = fit_task(logits[~unseen], truth[~unseen], goal, multi_label=multi_label, before=before)
        held_out[unseen] = fitted.scaling.probabilities(logits[unseen], multi_label=multi_label)
        chosen[unseen] = decide(held_out[unseen], fitted.thresholds, multi_label=multi_label)
    as_it_was = before.scaling.probabilities(logits, multi_label=multi_label)
    return CalibrationReport(
        fitted=fit_task(logits, truth, goal, multi_label=multi_label, before=before),
        before=_quality(as_it_was, decide(as_it_was, before.thresholds, multi_label=multi_label), truth),
        after=_quality(held_out, chosen, truth),
        held_out=held_out,
    )


def check_answers(truth: Bools, whose: str = "") -> None:
    """Refuse answers [texts, labels] that cannot be fitted to: too few rows, or all answers equal.

    Raises DataError that begins with `whose` they are.
    """
    if len(truth) < FOLDS:
        raise DataError(f"{whose}calibration needs at least {FOLDS} labelled rows, got {len(truth)}")
    if truth.all() or not truth.any():
        labels = truth.shape[1]
        raise DataError(f"{whose}all answers are the same for every one of {labels} labels; add rows that differ")


def decide(probabilities: Floats, thresholds: Sequence[float], *, multi_label: bool) -> Bools:
    """Labels whose score, rounded as published, is at or above their threshold; of a single-label text the best."""
    reached = np.round(probabilities, DECIMALS) >= np.asarray(thresholds)
    return reached if multi_label else reached & argmax_choice(probabilities)


def _quality(probabilities: Floats, chosen: Bools, truth: Bools) -> Quality:
    both = (chosen & truth).sum()
    return Quality(
        expected_calibration_error=expected_calibration_error(probabilities, truth),
        micro_f1=micro_f1(chosen, truth),
        macro_f1=macro_f1(chosen, truth),
        precision=float(both / max(1, chosen.sum())),
        recall=float(both / max(1, truth.sum())),
        none=int((~chosen.any(axis=1)).sum()),
    )


def _penalised_loss(point: Floats, logits: Floats, truth: Bools, multi_label: bool) -> float:
    scaled = np.exp(point[0]) * logits + point[1]
    if multi_label:
        loss = (np.logaddexp(0, scaled) - truth * scaled).sum()
    else:
        highest = scaled.max(axis=1, keepdims=True)
        normal = highest[:, 0] + np.log(np.exp(scaled - highest).sum(axis=1))
        loss = (truth * (normal[:, None] - scaled)).sum()
    prior = point[0] ** 2 / (2 * LOG_SLOPE_SPREAD**2) + point[1] ** 2 / (2 * BIAS_SPREAD**2)
    return float(loss + prior)


def _derivatives(point: Floats, logits: Floats, truth: Bools, multi_label: bool) -> tuple[Floats, Floats]:
    """Gradient and a positive-definite (Gauss-Newton) curvature of the penalised loss."""
    slope = np.exp(point[0]) * logits
    gradient = np.array([point[0] / LOG_SLOPE_SPREAD**2, point[1] / BIAS_SPREAD**2])
    curvature = np.diag([1 / LOG_SLOPE_SPREAD**2, 1 / BIAS_SPREAD**2])
    if multi_label:
        p = sigmoid(slope + point[1])
        error, weight = p - truth, p * (1 - p)
        gradient += [(error * slope).sum(), error.sum()]
        cross = (weight * slope).sum()
        curvature += [[(weight * slope**2).sum(), cross], [cross, weight.sum()]]
    else:
        p = softmax(slope)
        times = truth.sum(axis=1)
        mean = (p * slope).sum(axis=1)
        gradient[0] += (times * mean - (truth * slope).sum(axis=1)).sum()
        curvature[0, 0] += (times * ((p * slope**2).sum(axis=1) - mean**2)).sum()
    return gradient, curvature


def _best_threshold(scores: Floats, truth: Bools) -> float:
    """The threshold with the highest F1, half-way to the next lower score."""
    if not truth.any():
        return 0.5
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], np.cumsum(truth[order])
    values = 2 * hits / (np.arange(1, len(ranked) + 1) + truth.sum())
    last_of_equals = np.append(ranked[1:] < ranked[:-1], True)
    best = int(np.where(last_of_equals, values, -1.0).argmax())
    return _below(ranked, best)


def _goal_threshold(scores: Floats, truth: Bools, goal: Goal) -> float | None:
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], np.cumsum(truth[order])
    usable = np.append(ranked[1:] < ranked[:-1], True) & (ranked >= 0)
    if goal.kind == "precision":
        reached = np.flatnonzero(usable & (hits > 0) & (hits >= goal.minimum * np.arange(1, len(ranked) + 1)))
        return _below(ranked, int(reached[-1])) if len(reached) else None
    if not truth.any():
        return None
    reached = np.flatnonzero(usable & (hits >= goal.minimum * truth.sum()))
    return _below(ranked, int(reached[0])) if len(reached) else None


def _below(ranked: Floats, index: int) -> float:
    following = ranked[index + 1] if index + 1 < len(ranked) else 0.0
    return float(np.clip((ranked[index] + max(following, 0.0)) / 2, 0.0, 1.0))


def _published(threshold: float) -> float:
    """Rounded up, so that it stays above the score below it."""
    return min(1.0, math.ceil(round(threshold * 10**DECIMALS, 3)) / 10**DECIMALS)


def _level_score(score: float, labels: int, ratio: float) -> float:
    """Where a text's best score goes when its logits are multiplied by `ratio` and all its other labels are level."""
    if score >= 1:
        return score
    lead = math.log(score * (labels - 1) / (1 - score)) * ratio
    return 1 / (1 + (labels - 1) * math.exp(min(max(-lead, -700.0), 700.0)))


def _moved_threshold(reached: Bools, scores: Floats, wanted: float) -> float:
    """The threshold on `scores` that agrees with most of `reached`; of several the nearest to `wanted`."""
    step = 10**-DECIMALS
    edges = [0.0, *np.unique(scores).tolist(), 1.0]
    candidates = [round(min(max(wanted, below + step), edge), DECIMALS) for below, edge in itertools.pairwise(edges)]
    changed = [int((reached != (scores >= threshold)).sum()) for threshold in candidates]
    return min(zip(changed, (abs(one - wanted) for one in candidates), candidates, strict=True))[2]
