"""The cost model: what it learns from which samples, and what it must not."""

import json
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.batching.cost_model import CostModel, CostSample, CostStateError, calibration_lengths, cost_key

FIXED, PER_TOKEN, PER_SQUARE = 0.004, 30e-6, 8e-9


def true_seconds(tokens: int, squared_tokens: int) -> float:
    return FIXED + PER_TOKEN * tokens + PER_SQUARE * squared_tokens


def calibration(noise: float = 0.0, seed: int = 0) -> list[CostSample]:
    source = random.Random(seed)
    samples = []
    for lengths in calibration_lengths(16384, 512):
        tokens, squares = sum(lengths), sum(length**2 for length in lengths)
        samples.append(CostSample(tokens, squares, true_seconds(tokens, squares) * (1 + source.gauss(0, noise))))
    return samples


def test_calibration_recovers_the_cost_of_a_device():
    model = CostModel(calibration())
    assert model.calibrated
    assert model.fixed_seconds == pytest.approx(FIXED, rel=0.02)
    assert model.seconds_per_token == pytest.approx(PER_TOKEN, rel=0.02)
    assert model.seconds_per_squared_token == pytest.approx(PER_SQUARE, rel=0.05)


def test_an_uncalibrated_model_predicts_something_usable():
    model = CostModel()
    assert not model.calibrated
    assert 0.001 < model.predict(100, 10_000) < 0.05
    assert 0.1 < model.predict(16384, 16384 * 128) < 2.0


def test_predictions_stay_right_within_the_noise_of_the_device():
    model = CostModel(calibration(noise=0.05))
    for tokens, length in ((200, 20), (3000, 60), (16000, 400)):
        expected = true_seconds(tokens, tokens * length)
        assert model.predict(tokens, tokens * length) == pytest.approx(expected, rel=0.08)


def test_batches_of_one_size_do_not_make_it_forget_the_fixed_cost():
    """In steady state sizes hardly vary: only the permanent calibration keeps fixed and per-token cost apart."""
    source = random.Random(1)
    model = CostModel(calibration())
    for _ in range(5000):
        tokens = 6000 + source.randrange(-100, 100)
        model.learn(tokens, tokens * 60, true_seconds(tokens, tokens * 60) * (1 + source.gauss(0, 0.05)))
    assert model.predict(100, 100 * 60) == pytest.approx(true_seconds(100, 6000), rel=0.1)
    assert model.predict(16000, 16000 * 60) == pytest.approx(true_seconds(16000, 960_000), rel=0.1)


def test_a_wrong_prior_is_learnt_away_without_calibration():
    source = random.Random(2)
    model = CostModel()
    for _ in range(400):
        tokens = source.randrange(100, 12000)
        model.learn(tokens, tokens * 60, 0.1 * true_seconds(tokens, tokens * 60))
    assert model.predict(5000, 300_000) == pytest.approx(0.1 * true_seconds(5000, 300_000), rel=0.1)


def test_a_device_that_slows_down_is_followed_within_fifty_batches_and_back():
    model = CostModel(calibration())
    for factor in (1.6, 4.0, 1.0):
        for _ in range(50):
            model.learn(6000, 360_000, factor * true_seconds(6000, 360_000))
        assert model.predict(6000, 360_000) == pytest.approx(factor * true_seconds(6000, 360_000), rel=0.1)
        assert model.predict(100, 6000) == pytest.approx(factor * true_seconds(100, 6000), rel=0.25)


def test_an_outlier_moves_neither_the_coefficients_nor_the_pace_much():
    model = CostModel(calibration())
    before = model.predict(6000, 360_000)
    model.learn(6000, 360_000, 100 * before)
    assert model.predict(6000, 360_000) == pytest.approx(before, rel=0.08)
    assert model.seconds_per_token / model.pace == pytest.approx(PER_TOKEN, rel=0.02)


def test_the_residual_quantile_covers_about_95_in_100_batches():
    source = random.Random(3)
    model = CostModel(calibration())
    for _ in range(1000):
        model.learn(6000, 360_000, true_seconds(6000, 360_000) * source.lognormvariate(0, 0.15))
    covered = 0
    for _ in range(1000):
        seconds = true_seconds(6000, 360_000) * source.lognormvariate(0, 0.15)
        covered += seconds <= model.residual_quantile * model.predict(6000, 360_000)
        model.learn(6000, 360_000, seconds)
    assert covered == pytest.approx(950, abs=20)


def test_predicted_to_actual_shows_which_way_it_errs():
    model = CostModel(calibration())
    assert model.predicted_to_actual == 1.0
    model.learn(6000, 360_000, 2 * true_seconds(6000, 360_000))
    assert model.predicted_to_actual < 1.0


@pytest.mark.parametrize(("tokens", "seconds"), [(0, 1.0), (100, 0.0), (100, -1.0), (100, math.nan), (100, math.inf)])
def test_impossible_samples_are_ignored(tokens: int, seconds: float):
    model = CostModel(calibration())
    before = model.to_dict("key")
    model.learn(tokens, 0, seconds)
    assert model.to_dict("key") == before


def test_a_calibration_sample_without_duration_is_refused():
    with pytest.raises(ValueError, match="100 tokens took 0"):
        CostModel([CostSample(100, 1000, 0.0)])


@given(
    st.lists(st.tuples(st.integers(1, 20_000), st.integers(1, 512), st.floats(1e-5, 5.0)), min_size=1, max_size=40),
    st.booleans(),
)
@settings(max_examples=60)
def test_predictions_are_positive_finite_and_grow_with_the_batch_whatever_was_measured(
    samples: list[tuple[int, int, float]], calibrated: bool
):
    model = CostModel(CostSample(t, t * length, s) for t, length, s in samples) if calibrated else CostModel()
    for tokens, length, seconds in samples:
        model.learn(tokens, tokens * length, seconds)
    sizes = [(1, 1), (100, 10_000), (5000, 500_000), (16384, 16384 * 512)]
    predictions = [model.predict(*size) for size in sizes]
    assert all(0 < prediction < math.inf for prediction in predictions)
    assert predictions == sorted(predictions)
    assert min(model.fixed_seconds, model.seconds_per_token, model.seconds_per_squared_token) >= 0
    assert 1.0 <= model.residual_quantile <= 4.0
    assert model.marginal(0, 0) == 0.0


def test_a_restart_starts_calibrated():
    source = random.Random(4)
    model = CostModel(calibration(noise=0.05))
    for _ in range(300):
        tokens = source.randrange(500, 9000)
        model.learn(tokens, tokens * 60, 1.2 * true_seconds(tokens, tokens * 60))
    key = cost_key("abc", "cpu", "float32", "2 on 2")
    restored = CostModel.from_dict(json.loads(json.dumps(model.to_dict(key))), key)
    assert restored.calibrated
    for size in ((100, 6000), (5000, 300_000), (16384, 16384 * 512)):
        assert restored.predict(*size) == pytest.approx(model.predict(*size), rel=1e-9)
    assert restored.residual_quantile == model.residual_quantile


@pytest.mark.parametrize(
    "other",
    [
        ("abd", "cpu", "float32", "2 on 2"),
        ("abc", "cuda:0", "float32", "2 on 2"),
        ("abc", "cpu", "float32", "2 on 0.5"),
    ],
)
def test_a_model_of_another_checkpoint_or_device_is_refused(other: tuple[str, str, str, str]):
    state = CostModel(calibration()).to_dict(cost_key("abc", "cpu", "float32", "2 on 2"))
    with pytest.raises(CostStateError, match="is for 'abc/cpu/float32/2 on 2'"):
        CostModel.from_dict(state, cost_key(*other))


@pytest.mark.parametrize(
    "damage",
    [
        {"version": 0},
        {"learnt": [[0.0]]},
        {"learnt_sums": [math.nan, 0.0, 0.0]},
        {"pace": 0.0},
        {"residual_quantile": 0.5},
        {"calibration": [[1, 2]]},
        {"calibration": None},
        {"pace": "fast"},
    ],
)
def test_a_damaged_file_is_refused(damage: dict[str, object]):
    state = CostModel(calibration()).to_dict("key") | damage
    with pytest.raises(CostStateError):
        CostModel.from_dict(state, "key")


def test_a_file_that_lacks_a_part_is_refused():
    state = CostModel(calibration()).to_dict("key")
    del state["pace"]
    with pytest.raises(CostStateError, match="cannot be read"):
        CostModel.from_dict(state, "key")


@given(st.integers(1, 50_000), st.integers(8, 4096))
def test_calibration_batches_grow_differ_and_reach_the_token_cap(max_batch_tokens: int, max_sequence_tokens: int):
    shapes = calibration_lengths(max_batch_tokens, max_sequence_tokens)
    sizes = [sum(shape) for shape in shapes]
    assert sizes == sorted(sizes)
    assert len({tuple(shape) for shape in shapes}) == len(shapes)
    assert max(max(shape) for shape in shapes) == max_sequence_tokens
    assert max(sizes) >= min(max_batch_tokens, max_batch_tokens - max_sequence_tokens + 1)
    assert all(sum(shape) <= max_batch_tokens or len(shape) == 1 for shape in shapes)
