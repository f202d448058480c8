import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.training.calibration import (
    Goal,
    Scaling,
    TaskCalibration,
    calibrate,
    decide,
    fit_scaling,
    fit_task,
    fit_thresholds,
    move_thresholds,
)
from model.training.errors import DataError
from model.training.evaluation import expected_calibration_error, micro_f1, sigmoid, softmax

LABELS = ("a", "b", "c")


def _multi(texts: int, temperature: float, bias: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose true calibration is known."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 3, (texts, 3))
    return logits, generator.random((texts, 3)) < sigmoid(logits / temperature + bias)


def _single(texts: int, temperature: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 5, (texts, 3))
    chances = softmax(logits / temperature)
    return logits, np.eye(3, dtype=bool)[[generator.choice(3, p=row) for row in chances]]


def test_many_rows_recover_the_temperature_and_the_bias() -> None:
    scaling = fit_scaling(*_multi(4000, 2.5, -1.0), multi_label=True)
    assert scaling.temperature == pytest.approx(2.5, rel=0.1)
    assert scaling.bias == pytest.approx(-1.0, abs=0.15)


def test_many_rows_recover_a_softmax_temperature_and_no_bias() -> None:
    scaling = fit_scaling(*_single(4000, 4.0), multi_label=False)
    assert scaling.temperature == pytest.approx(4.0, rel=0.15)
    assert scaling.bias == 0


def test_rows_without_a_true_label_say_nothing_about_a_softmax() -> None:
    logits, truth = _single(200, 4.0)
    more = np.vstack([logits, np.full((50, 3), [9.0, 0, 0])])
    none = np.vstack([truth, np.zeros((50, 3), dtype=bool)])
    assert fit_scaling(more, none, multi_label=False) == fit_scaling(logits, truth, multi_label=False)


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_no_rows_can_drive_the_parameters_to_nonsense(seed: int, multi_label: bool) -> None:
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, generator.choice([0.01, 1, 30]), (20, 3))
    truth = generator.random((20, 3)) < generator.random()
    scaling = fit_scaling(logits, truth, multi_label=multi_label)
    assert 0.01 <= scaling.temperature <= 1000
    assert abs(scaling.bias) < 12
    assert np.isfinite(scaling.probabilities(logits, multi_label=multi_label)).all()


def test_perfectly_separated_rows_do_not_make_the_model_certain() -> None:
    logits = np.array([[3.0, -3.0, -3.0]] * 20)
    truth = np.array([[True, False, False]] * 20)
    scaling = fit_scaling(logits, truth, multi_label=True)
    assert 0.2 < scaling.temperature < 1.0


def test_without_rows_the_prior_leaves_the_model_as_it_is() -> None:
    scaling = fit_scaling(np.zeros((0, 3)), np.zeros((0, 3), dtype=bool), multi_label=True)
    assert scaling == Scaling(1.0, 0.0)


@settings(max_examples=15)
@given(st.integers(0, 1000))
def test_twenty_rows_do_not_make_unseen_rows_much_worse(seed: int) -> None:
    logits, truth = _multi(20, 1.0, 0.0, seed)
    fresh, fresh_truth = _multi(2000, 1.0, 0.0, seed + 1)
    scaling = fit_scaling(logits, truth, multi_label=True)
    error = expected_calibration_error(scaling.probabilities(fresh, multi_label=True), fresh_truth)
    assert error < 0.15


def test_the_cross_validated_error_falls_for_an_overconfident_model() -> None:
    logits, truth = _multi(200, 8.0, -1.0)
    report = calibrate(logits, truth, LABELS, Goal(), multi_label=True)
    assert report.after.expected_calibration_error < report.before.expected_calibration_error / 2
    assert report.held_out.shape == logits.shape


def test_thresholds_for_f1_beat_one_half() -> None:
    logits, truth = _multi(400, 2.0, -2.0)
    fitted = fit_task(logits, truth, Goal(), multi_label=True)
    probabilities = fitted.scaling.probabilities(logits, multi_label=True)
    assert micro_f1(decide(probabilities, fitted.thresholds, multi_label=True), truth) > micro_f1(
        probabilities >= 0.5, truth
    )


def test_a_rare_label_borrows_the_common_threshold() -> None:
    generator = np.random.default_rng(0)
    truth = np.zeros((300, 2), dtype=bool)
    truth[:150, 0] = True
    truth[0, 1] = True
    scores = np.clip(0.3 + 0.2 * truth + generator.normal(0, 0.05, truth.shape), 0, 1)
    scores[0, 1] = 0.95
    (often, rare), _ = fit_thresholds(scores, truth, Goal(), multi_label=True)
    assert abs(rare - often) < 0.05


@settings(max_examples=30)
@given(st.integers(0, 1000), st.sampled_from([0.5, 0.8, 0.95]))
def test_a_precision_goal_is_met_on_the_rows_it_was_fitted_to(seed: int, minimum: float) -> None:
    logits, truth = _multi(60, 2.0, -1.0, seed)
    probabilities = sigmoid(logits)
    thresholds, unreachable = fit_thresholds(probabilities, truth, Goal("precision", minimum), multi_label=True)
    chosen = decide(probabilities, thresholds, multi_label=True)
    for label in range(3):
        if label not in unreachable and chosen[:, label].any():
            assert (chosen & truth)[:, label].sum() >= minimum * chosen[:, label].sum()


@settings(max_examples=30)
@given(st.integers(0, 1000), st.sampled_from([0.5, 0.8, 1.0]))
def test_a_recall_goal_is_met_on_the_rows_it_was_fitted_to(seed: int, minimum: float) -> None:
    logits, truth = _multi(60, 2.0, -1.0, seed)
    probabilities = sigmoid(logits)
    thresholds, unreachable = fit_thresholds(probabilities, truth, Goal("recall", minimum), multi_label=True)
    chosen = decide(probabilities, thresholds, multi_label=True)
    for label in range(3):
        if label not in unreachable:
            assert (chosen & truth)[:, label].sum() >= minimum * truth[:, label].sum()


def test_a_goal_out_of_reach_is_said_and_chooses_nothing() -> None:
    probabilities = np.array([[0.9, 0.2], [0.8, 0.3]])
    truth = np.array([[False, True], [False, False]])
    thresholds, unreachable = fit_thresholds(probabilities, truth, Goal("precision", 0.9), multi_label=True)
    assert 0 in unreachable
    assert not decide(probabilities, thresholds, multi_label=True)[:, 0].any()


def test_single_label_tasks_choose_the_best_label_whatever_its_score() -> None:
    thresholds, _ = fit_thresholds(np.array([[0.4, 0.3, 0.3]]), np.eye(3, dtype=bool)[:1], Goal(), multi_label=False)
    assert thresholds == [0.0, 0.0, 0.0]


def test_goals_are_read_from_text() -> None:
    assert Goal.parse("f1") == Goal()
    assert Goal.parse("precision>=0.9") == Goal("precision", 0.9)
    assert Goal.parse("recall >= .8") == Goal("recall", 0.8)
    with pytest.raises(DataError, match="'f2' is not known"):
        Goal.parse("f2")


@pytest.mark.parametrize(
    ("logits", "truth", "message"),
    [
        (np.zeros((3, 3)), np.eye(3, dtype=bool), "at least 5"),
        (np.full((6, 3), np.nan), np.tile(np.eye(3, dtype=bool), (2, 1)), "not finite"),
        (np.zeros((6, 3)), np.zeros((6, 3), dtype=bool), "the same"),
    ],
)
def test_what_cannot_be_calibrated_is_refused(logits: np.ndarray, truth: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        calibrate(logits, truth, LABELS, Goal(), multi_label=True)


def test_as_it_was_is_the_task_with_its_own_calibration_and_thresholds() -> None:
    logits, truth = _multi(100, 2.0, -1.0)
    now = TaskCalibration(Scaling(2.0, -1.0), (0.3, 0.4, 0.9))
    report = calibrate(logits, truth, LABELS, Goal(), multi_label=True, before=now)
    probabilities = sigmoid(logits / 2.0 - 1.0)
    chosen = probabilities >= np.array([0.3, 0.4, 0.9])
    assert report.before.expected_calibration_error == expected_calibration_error(probabilities, truth)
    assert report.before.micro_f1 == micro_f1(chosen, truth)
    assert report.before.none == (~chosen.any(axis=1)).sum()
    assert report.before != calibrate(logits, truth, LABELS, Goal(), multi_label=True).before


def _none(logits: np.ndarray, task: TaskCalibration) -> np.ndarray:
    scores = task.scaling.probabilities(logits, multi_label=False)
    return np.asarray(~decide(scores, task.thresholds, multi_label=False).any(axis=1))


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.floats(0.05, 0.99), st.floats(0.1, 10), st.floats(0.1, 10))
def test_of_two_labels_a_moved_threshold_decides_as_it_did_before(
    seed: int, threshold: float, old: float, new: float
) -> None:
    logits = np.random.default_rng(seed).normal(0, 3, (40, 2))
    before = TaskCalibration(Scaling(old), (round(threshold, 4),) * 2)
    moved = move_thresholds(logits, before, Scaling(new))
    changed = (_none(logits, before) != _none(logits, TaskCalibration(Scaling(new), moved))).sum()
    # Scores are rounded to four decimals: close to 0 and 1 a scale can tell fewer texts apart than another.
    saturated = np.round(Scaling(new).probabilities(logits, multi_label=False).max(axis=1), 4) >= 0.999
    assert changed <= saturated.sum()


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.floats(0.35, 0.95), st.floats(0.3, 4), st.floats(0.3, 4))
def test_a_fit_of_the_temperature_keeps_what_none_means(seed: int, threshold: float, old: float, drawn: float) -> None:
    logits, truth = _single(60, drawn, seed)
    now = TaskCalibration(Scaling(round(old, 4)), (round(threshold, 4),) * 3)
    fitted = fit_task(logits, truth, Goal(), multi_label=False, before=now)
    assert len(set(fitted.thresholds)) == 1

    def changed(threshold: float) -> int:
        return int((_none(logits, now) != _none(logits, TaskCalibration(fitted.scaling, (threshold,) * 3))).sum())

    assert changed(fitted.thresholds[0]) <= min(map(changed, np.linspace(0, 1, 201)))


def test_labels_with_thresholds_of_their_own_keep_them_apart() -> None:
    logits, truth = _single(200, 4.0)
    now = TaskCalibration(Scaling(), (0.9, 0.9, 0.0))
    first, second, third = fit_task(logits, truth, Goal(), multi_label=False, before=now).thresholds
    assert first == second < 0.9
    assert third == 0.0


def test_a_threshold_of_which_no_text_speaks_goes_where_level_labels_go() -> None:
    before = TaskCalibration(Scaling(1.0), (0.6, 0.6, 0.6))
    (moved, *_) = move_thresholds(np.zeros((0, 3)), before, Scaling(2.0))
    lead = np.log(0.6 * 2 / 0.4)
    assert softmax(np.array([[lead, 0.0, 0.0]]) / 2.0)[0, 0] == pytest.approx(moved, abs=1e-4)


def test_a_task_of_one_label_has_nothing_to_move() -> None:
    before = TaskCalibration(Scaling(), (0.7,))
    assert move_thresholds(np.array([[3.0], [1.0]]), before, Scaling(2.0)) == (0.7,)


@settings(max_examples=30)
@given(st.integers(0, 1000), st.sampled_from(["f1", "precision>=0.8", "recall>=0.8"]), st.booleans())
def test_what_is_fitted_is_what_a_policy_can_hold(seed: int, goal: str, multi_label: bool) -> None:
    logits, truth = _multi(30, 2.0, -1.0, seed) if multi_label else _single(30, 3.0, seed)
    fitted = fit_task(logits, truth, Goal.parse(goal), multi_label=multi_label)
    numbers = [fitted.scaling.temperature, fitted.scaling.bias, *fitted.thresholds]
    assert numbers == [round(number, 4) for number in numbers]
    assert all(0 <= threshold <= 1 for threshold in fitted.thresholds)
