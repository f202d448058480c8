import numpy as np
import pytest

from model.training.bootstrap import paired_bootstrap
from model.training.evaluation import micro_f1

GENERATOR = np.random.default_rng(1)
TRUTH = GENERATOR.random((200, 4)) < 0.3
NOISY = TRUTH ^ (GENERATOR.random(TRUTH.shape) < 0.2)
NOISIER = TRUTH ^ (GENERATOR.random(TRUTH.shape) < 0.4)


def test_a_clearly_better_model_has_an_interval_above_zero() -> None:
    interval = paired_bootstrap(micro_f1, NOISIER, NOISY, TRUTH, resamples=200)
    assert 0 < interval.low < interval.difference < interval.high
    assert interval.share_above_zero == 1


def test_a_model_against_itself_differs_by_nothing() -> None:
    interval = paired_bootstrap(micro_f1, NOISY, NOISY, TRUTH, resamples=50)
    assert (interval.difference, interval.low, interval.high) == (0, 0, 0)


def test_the_same_seed_gives_the_same_interval() -> None:
    first, second = (paired_bootstrap(micro_f1, NOISY, NOISIER, TRUTH, resamples=50) for _ in range(2))
    assert first == second


def test_swapping_the_models_swaps_the_sign() -> None:
    one = paired_bootstrap(micro_f1, NOISY, NOISIER, TRUTH, resamples=100)
    other = paired_bootstrap(micro_f1, NOISIER, NOISY, TRUTH, resamples=100)
    assert other.difference == -one.difference
    assert other.low == pytest.approx(-one.high)


def test_one_text_is_not_enough() -> None:
    with pytest.raises(ValueError, match="at least two"):
        paired_bootstrap(micro_f1, NOISY[:1], NOISY[:1], TRUTH[:1])
