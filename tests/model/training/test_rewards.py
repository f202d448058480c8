import pytest
import torch

from model.training.data import IGNORED
from model.training.errors import DataError
from model.training.rewards import (
    Choice,
    accuracy,
    agreement,
    balanced_agreement,
    combined,
    cost_matrix,
    example_f1,
    recall_at_precision,
    within_candidates,
)


def _choice(actions: list[float], truth: list[float], candidates: list[bool] | None = None) -> Choice:
    """One text."""
    return Choice(
        actions=torch.tensor(actions),
        probabilities=torch.full((len(actions),), 0.5),
        truth=torch.tensor(truth),
        candidates=torch.tensor(candidates or [False] * len(actions)),
        text_index=torch.zeros(len(actions), dtype=torch.int64),
        texts=1,
    )


def test_example_f1_of_half_a_hit() -> None:
    assert float(example_f1(_choice([1, 1, 0], [1, 0, 0]))) == pytest.approx(2 / 3)


def test_example_f1_is_one_when_nothing_is_true_and_nothing_chosen() -> None:
    assert float(example_f1(_choice([0, 0], [0, 0]))) == 1


def test_unknown_labels_earn_nothing_in_any_reward() -> None:
    for reward in (example_f1, accuracy, agreement, balanced_agreement, recall_at_precision(0.5), cost_matrix(1, 1)):
        chosen = reward(_choice([1, 0, 1], [1, 0, IGNORED]))
        left = reward(_choice([1, 0, 0], [1, 0, IGNORED]))
        assert torch.equal(chosen, left)


def test_accuracy_counts_each_label() -> None:
    assert float(accuracy(_choice([1, 1, 0, 0], [1, 0, 0, 1]))) == pytest.approx(0.5)


def test_agreement_punishes_what_a_person_refused() -> None:
    assert float(agreement(_choice([1, 0], [0, IGNORED]))) == -1
    assert float(agreement(_choice([0, 0], [0, IGNORED]))) == 1


def test_balanced_agreement_gives_nothing_for_refusing_every_label() -> None:
    truth = [1.0, *[0.0] * 9]
    assert float(balanced_agreement(_choice([0.0] * 10, truth))) == pytest.approx(0)
    assert float(balanced_agreement(_choice(truth, truth))) == pytest.approx(1)
    assert float(balanced_agreement(_choice([1.0] * 10, truth))) == pytest.approx(0)


def test_balanced_agreement_on_one_side_only_is_agreement() -> None:
    assert float(balanced_agreement(_choice([1, 0], [0, IGNORED]))) == -1
    assert float(balanced_agreement(_choice([1, 0], [1, IGNORED]))) == 1
    assert float(balanced_agreement(_choice([1, 0], [IGNORED, IGNORED]))) == 0


def test_recall_at_precision_punishes_only_a_lack_of_precision() -> None:
    reward = recall_at_precision(0.5)
    assert float(reward(_choice([1, 1], [1, 0]))) == pytest.approx(1)
    assert float(reward(_choice([1, 1, 1, 1], [1, 0, 0, 0]))) == pytest.approx(1 - 0.25 / 0.5)
    assert float(reward(_choice([0, 0], [1, 0]))) == pytest.approx(0)


def test_cost_matrix_weighs_misses_against_false_alarms() -> None:
    reward = cost_matrix(missed=10, false_alarm=1)
    assert float(reward(_choice([0, 0], [1, 0]))) == -5
    assert float(reward(_choice([1, 1], [1, 0]))) == -0.5


def test_within_candidates_prefers_one_candidate_over_all_and_all_over_none() -> None:
    candidates = [True, True, False]
    unknown = [IGNORED, IGNORED, 0.0]
    one = within_candidates(_choice([1, 0, 0], unknown, candidates))
    both = within_candidates(_choice([1, 1, 0], unknown, candidates))
    mixed = within_candidates(_choice([1, 0, 1], unknown, candidates))
    none = within_candidates(_choice([0, 0, 1], unknown, candidates))
    assert [float(value) for value in (one, both, mixed, none)] == [1, 0.5, 0.25, -1]


def test_texts_without_candidates_get_nothing_from_within_candidates() -> None:
    assert float(within_candidates(_choice([1, 0], [1, 0]))) == 0


def test_rewards_are_per_text() -> None:
    choice = Choice(
        actions=torch.tensor([1.0, 0, 1, 0]),
        probabilities=torch.full((4,), 0.5),
        truth=torch.tensor([1.0, 0, 0, 1]),
        candidates=torch.zeros(4, dtype=torch.bool),
        text_index=torch.tensor([0, 0, 1, 1]),
        texts=2,
    )
    assert example_f1(choice).tolist() == [1, 0]


def test_combined_adds_weighted_rewards() -> None:
    choice = _choice([1, 1], [1, 0])
    expected = 2 * float(example_f1(choice)) + 0.5 * float(accuracy(choice))
    assert float(combined({"example_f1": 2, "accuracy": 0.5})(choice)) == pytest.approx(expected)


def test_an_unknown_reward_is_named() -> None:
    with pytest.raises(DataError, match="'elo' is not known; there are accuracy"):
        combined({"elo": 1})


@pytest.mark.parametrize("value", [0, -0.1, 1.1])
def test_an_impossible_precision_is_refused(value: float) -> None:
    with pytest.raises(DataError, match="precision"):
        recall_at_precision(value)
