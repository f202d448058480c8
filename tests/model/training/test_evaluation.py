import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from model.training.evaluation import (
    argmax_choice,
    best_micro_f1,
    choose,
    confusion,
    evaluate,
    expected_calibration_error,
    macro_f1,
    micro_f1,
    sigmoid,
    softmax,
)

TRUTH = np.array([[1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 0]], dtype=bool)
CHOSEN = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=bool)


def test_macro_f1_skips_labels_that_are_true_nowhere() -> None:
    assert macro_f1(CHOSEN, TRUTH) == pytest.approx((2 / 3 + 2 / 3) / 2)


def test_micro_f1_counts_all_decisions() -> None:
    assert micro_f1(CHOSEN, TRUTH) == pytest.approx(2 * 2 / (4 + 3))


def test_no_truth_at_all_scores_zero_without_a_warning() -> None:
    nothing = np.zeros((2, 3), dtype=bool)
    assert macro_f1(nothing, nothing) == 0
    assert micro_f1(nothing, nothing) == 0


def test_a_sure_and_right_model_has_no_calibration_error() -> None:
    assert expected_calibration_error(TRUTH.astype(float), TRUTH) == 0


def test_a_sure_and_wrong_model_is_off_by_everything() -> None:
    assert expected_calibration_error((~TRUTH).astype(float), TRUTH) == 1


def test_the_calibration_error_is_the_gap_of_each_bin() -> None:
    probabilities = np.full((1, 10), 0.31)
    truth = np.array([[1, 0, 0, 0, 0, 0, 0, 0, 0, 0]], dtype=bool)
    assert expected_calibration_error(probabilities, truth) == pytest.approx(0.21)


def test_single_label_evaluation_takes_the_best_label_and_a_softmax() -> None:
    logits = np.array([[2.0, 1.0], [0.0, 3.0], [5.0, 1.0]])
    truth = np.array([[1, 0], [0, 1], [0, 1]], dtype=bool)
    result = evaluate(logits, truth, ["a", "b"], multi_label=False)
    assert result.accuracy == pytest.approx(2 / 3)
    assert [label.support for label in result.labels] == [1, 2]
    assert result.labels[0].precision == pytest.approx(0.5)
    assert result.labels[1].recall == pytest.approx(0.5)
    assert result.confusion.tolist() == [[1, 0, 0], [1, 1, 0]]


def test_multi_label_evaluation_takes_every_label_that_reaches_the_threshold() -> None:
    logits = np.array([[2.0, 1.0], [-1.0, -1.0]])
    truth = np.array([[1, 1], [1, 0]], dtype=bool)
    result = evaluate(logits, truth, ["a", "b"], multi_label=True)
    assert result.accuracy == pytest.approx(0.5)
    assert result.micro_f1 == pytest.approx(4 / 5)
    assert result.confusion.tolist() == [[1, 0, 1], [0, 1, 0]]


def test_a_missed_label_is_confused_with_the_likeliest_wrong_choice() -> None:
    probabilities = np.array([[0.1, 0.6, 0.9]])
    truth = np.array([[1, 0, 0]], dtype=bool)
    assert confusion(probabilities >= 0.5, truth, probabilities)[0].tolist() == [0, 0, 1, 0]


def test_shapes_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match="shapes differ"):
        evaluate(np.zeros((2, 3)), np.zeros((2, 2), dtype=bool), ["a", "b"], multi_label=True)


def test_an_empty_set_is_refused() -> None:
    with pytest.raises(ValueError, match="no text"):
        evaluate(np.zeros((0, 2)), np.zeros((0, 2), dtype=bool), ["a", "b"], multi_label=True)


@given(hnp.arrays(float, (4, 3), elements=st.floats(-1000, 1000)))
def test_probabilities_stay_finite_and_softmax_sums_to_one(logits: np.ndarray) -> None:
    assert np.isfinite(sigmoid(logits)).all()
    assert softmax(logits).sum(axis=1) == pytest.approx(np.ones(4))
    assert (argmax_choice(logits).sum(axis=1) == 1).all()


@given(
    hnp.arrays(float, (5, 3), elements=st.sampled_from([0.1, 0.2, 0.5, 0.7, 0.9])),
    hnp.arrays(bool, (5, 3)),
)
def test_no_threshold_beats_the_best_micro_f1(scores: np.ndarray, truth: np.ndarray) -> None:
    best, threshold = best_micro_f1(scores, truth)
    assert best == pytest.approx(micro_f1(scores >= threshold, truth))
    assert all(micro_f1(scores >= other, truth) <= best + 1e-12 for other in np.unique(scores))


def test_labels_that_no_text_has_are_counted_and_are_0_in_the_mean_over_all() -> None:
    logits = np.array([[2.0, 1.0, 0.0], [0.0, 3.0, 4.0]])
    truth = np.array([[1, 0, 0], [0, 1, 0]], dtype=bool)
    result = evaluate(logits, truth, ["a", "b", "c"], multi_label=False)
    assert result.absent_labels == 1
    assert result.macro_f1 == pytest.approx(0.5)
    assert result.macro_f1_all_labels == pytest.approx(1 / 3)


def test_a_threshold_counts_in_single_label_tasks_too() -> None:
    logits = np.log(np.array([[0.6, 0.4], [0.3, 0.7]]))
    truth = np.array([[0, 0], [0, 1]], dtype=bool)
    result = evaluate(logits, truth, ["a", "b"], multi_label=False, threshold=0.65)
    assert result.accuracy == 1
    assert evaluate(logits, truth, ["a", "b"], multi_label=False).accuracy == 0.5


@given(hnp.arrays(float, (5, 3), elements=st.floats(0, 1)), st.booleans())
def test_a_threshold_only_takes_choices_away(probabilities: np.ndarray, multi_label: bool) -> None:
    low = choose(probabilities, multi_label=multi_label, threshold=0.2)
    high = choose(probabilities, multi_label=multi_label, threshold=0.6)
    assert not (high & ~low).any()
    assert multi_label or (low.sum(axis=1) <= 1).all()
