"""Paired bootstrap: is one model better than another on the same texts, or is it luck?"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Interval:
    """A difference (second minus first) with its percentile interval.

    Attributes:
        share_above_zero: share of the resamples in which the second is better.
    """

    difference: float
    low: float
    high: float
    share_above_zero: float


def paired_bootstrap(
    metric: Callable[[NDArray[np.bool_], NDArray[np.bool_]], float],
    first: NDArray[np.bool_],
    second: NDArray[np.bool_],
    truth: NDArray[np.bool_],
    *,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Resample texts with replacement, the same ones for both (Efron & Tibshirani 1993, ch. 13).

    Args:
        metric: of (chosen, truth), each bool [texts, labels].
        first, second, truth: bool [texts, labels].

    Raises:
        ValueError: fewer than two texts, or shapes that do not agree.
    """
    if not first.shape == second.shape == truth.shape:
        raise ValueError(f"shapes differ: {first.shape}, {second.shape}, {truth.shape}")
    if len(truth) < 2:
        raise ValueError("a comparison needs at least two texts")
    generator = np.random.default_rng(seed)
    differences = np.empty(resamples)
    for number in range(resamples):
        rows = generator.integers(0, len(truth), len(truth))
        differences[number] = metric(second[rows], truth[rows]) - metric(first[rows], truth[rows])
    tail = (1 - level) / 2
    low, high = np.quantile(differences, [tail, 1 - tail])
    return Interval(
        difference=metric(second, truth) - metric(first, truth),
        low=float(low),
        high=float(high),
        share_above_zero=float((differences > 0).mean()),
    )
