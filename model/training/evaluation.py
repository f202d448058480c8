"""How good scores are: F1, accuracy, calibration error, per-label figures, confusion. Pure numpy."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]

ECE_BINS = 15


@dataclass(frozen=True, slots=True)
class LabelFigures:
    """One label's precision, recall, F1 and number of texts it is true for."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Figures of one set.

    Attributes:
        macro_f1: mean F1 over the labels that are true for some text.
        macro_f1_all_labels: mean F1 over all labels, 0 for one that no text has: scikit-learn's, given all labels.
        absent_labels: how many labels no text has.
        micro_f1: F1 over all (text, label) decisions.
        accuracy: share of texts decided right: the chosen label is true, or none is and none was chosen (single); all
            labels agree (multi).
        expected_calibration_error: of the probabilities, 15 equal bins over all (text, label) pairs.
        confusion: [labels, labels + 1] counts of (true label, chosen label); the last column is "none chosen".
    """

    texts: int
    macro_f1: float
    macro_f1_all_labels: float
    absent_labels: int
    micro_f1: float
    accuracy: float
    expected_calibration_error: float
    labels: tuple[LabelFigures, ...]
    confusion: NDArray[np.int64]


def evaluate(
    logits: Floats, truth: Bools, labels: Sequence[str], *, multi_label: bool, threshold: float | None = None
) -> Evaluation:
    """Figures of logits [texts, labels] against truth [texts, labels], decided as `choose` does.

    Probabilities are a softmax (single-label) or a sigmoid (multi-label). A logit of minus infinity marks a label that
    the text was not asked about.
    """
    probabilities = softmax(logits) if not multi_label else sigmoid(logits)
    chosen = choose(probabilities, multi_label=multi_label, threshold=threshold)
    return figures(probabilities, chosen, truth, labels, multi_label=multi_label, asked=np.isfinite(logits))


def choose(probabilities: Floats, *, multi_label: bool, threshold: float | None = None) -> Bools:
    """Labels at or above `threshold` (None: 0.5, or 0 for single-label); of a single-label text only the best."""
    if multi_label:
        return probabilities >= (0.5 if threshold is None else threshold)
    return argmax_choice(probabilities) & (probabilities >= (threshold or 0.0))


def figures(
    probabilities: Floats,
    chosen: Bools,
    truth: Bools,
    labels: Sequence[str],
    *,
    multi_label: bool,
    asked: Bools | None = None,
) -> Evaluation:
    """Figures of given decisions; `asked` [texts, labels] limits the calibration error to the pairs that were scored.

    Raises ValueError for shapes that do not agree or an empty set.
    """
    pairs = np.ones(truth.shape, dtype=bool) if asked is None else asked
    if probabilities.shape != truth.shape or chosen.shape != truth.shape or truth.shape[1:] != (len(labels),):
        raise ValueError(f"shapes differ: {probabilities.shape}, {chosen.shape}, {truth.shape}, {len(labels)} labels")
    if not len(truth):
        raise ValueError("no text to evaluate")
    agree = (chosen == truth).all(axis=1)
    right = agree if multi_label else agree | (chosen & truth).any(axis=1)
    return Evaluation(
        texts=len(truth),
        macro_f1=macro_f1(chosen, truth),
        macro_f1_all_labels=float(per_label(chosen, truth)[2].mean()),
        absent_labels=int((~truth.any(axis=0)).sum()),
        micro_f1=micro_f1(chosen, truth),
        accuracy=float(right.mean()),
        expected_calibration_error=expected_calibration_error(probabilities[pairs], truth[pairs]),
        labels=tuple(
            LabelFigures(label, precision, recall, f1, int(support))
            for label, precision, recall, f1, support in zip(
                labels, *per_label(chosen, truth), truth.sum(axis=0), strict=True
            )
        ),
        confusion=confusion(chosen, truth, probabilities),
    )


def sigmoid(logits: Floats) -> Floats:
    """1 / (1 + exp(-x)), without overflow."""
    return np.exp(-np.logaddexp(0.0, -np.asarray(logits, dtype=np.float64)))


def softmax(logits: Floats) -> Floats:
    """Over the last axis."""
    shifted = np.exp(np.asarray(logits, dtype=np.float64) - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def argmax_choice(logits: Floats) -> Bools:
    """True at the first highest label of each row."""
    chosen = np.zeros(logits.shape, dtype=bool)
    chosen[np.arange(len(logits)), logits.argmax(axis=1)] = True
    return chosen


def per_label(chosen: Bools, truth: Bools) -> tuple[Floats, Floats, Floats]:
    """Precision, recall and F1 of each label; 0 where nothing was chosen or nothing is true."""
    both = (chosen & truth).sum(axis=0)
    precision = both / np.maximum(1, chosen.sum(axis=0))
    recall = both / np.maximum(1, truth.sum(axis=0))
    f1 = 2 * both / np.maximum(1, chosen.sum(axis=0) + truth.sum(axis=0))
    return precision, recall, f1


def macro_f1(chosen: Bools, truth: Bools) -> float:
    """Mean F1 over the labels that are true for some text; 0 where none is."""
    present = truth.any(axis=0)
    return float(per_label(chosen, truth)[2][present].mean()) if present.any() else 0.0


def micro_f1(chosen: Bools, truth: Bools) -> float:
    """F1 of all decisions together; 0 where nothing is chosen and nothing is true."""
    return float(2 * (chosen & truth).sum() / max(1, chosen.sum() + truth.sum()))


def best_micro_f1(scores: Floats, truth: Bools) -> tuple[float, float]:
    """The highest micro-F1 any one threshold on `scores` reaches, and that threshold."""
    order = np.argsort(-scores, axis=None, kind="stable")
    ranked, hits = scores.ravel()[order], np.cumsum(truth.ravel()[order])
    values = 2 * hits / (np.arange(1, len(ranked) + 1) + truth.sum())
    # A threshold takes equal scores together.
    values = np.where(np.append(ranked[1:] < ranked[:-1], True), values, -1.0)
    best = int(values.argmax())
    return float(values[best]), float(ranked[best])


def expected_calibration_error(probabilities: Floats, truth: Bools, bins: int = ECE_BINS) -> float:
    """Mean gap between probability and frequency, weighted by how many pairs fall into each equal bin of [0, 1]."""
    flat, hits = probabilities.ravel(), truth.ravel()
    index = np.minimum((flat * bins).astype(int), bins - 1)
    gaps = np.bincount(index, weights=flat, minlength=bins) - np.bincount(index, weights=hits, minlength=bins)
    return float(np.abs(gaps).sum() / max(1, len(flat)))


def confusion(chosen: Bools, truth: Bools, probabilities: Floats) -> NDArray[np.int64]:
    """[labels, labels + 1] counts of (true label, what was chosen for its text).

    A true label that was chosen counts on the diagonal. One that was missed counts under the most probable label that
    was chosen wrongly, or in the last column where there is none.
    """
    labels = truth.shape[1]
    counts = np.zeros((labels, labels + 1), dtype=np.int64)
    wrong = np.where(chosen & ~truth, probabilities, -1.0)
    instead = np.where(wrong.max(axis=1) >= 0, wrong.argmax(axis=1), labels)
    for text, label in zip(*np.nonzero(truth), strict=True):
        counts[label, label if chosen[text, label] else instead[text]] += 1
    return counts
