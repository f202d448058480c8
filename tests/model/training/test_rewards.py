import pytest
import torch

from model.training.data import IGNORED
from model.training.rewards import Choice, balanced_agreement, within_candidates


def _choice(actions: list[float], truth: list[float], candidates: list[bool] | None = None) -> Choice:
    """One text."""
    return Choice(
        actions=torch.tensor(actions),
        truth=torch.tensor(truth),
        candidates=torch.tensor(candidates or [False] * len(actions)),
        text_index=torch.zeros(len(actions), dtype=torch.int64),
        texts=1,
    )


def test_unknown_labels_earn_nothing() -> None:
    chosen = balanced_agreement(_choice([1, 0, 1], [1, 0, IGNORED]))
    left = balanced_agreement(_choice([1, 0, 0], [1, 0, IGNORED]))
    assert torch.equal(chosen, left)


def test_balanced_agreement_gives_nothing_for_refusing_every_label() -> None:
    truth = [1.0, *[0.0] * 9]
    assert float(balanced_agreement(_choice([0.0] * 10, truth))) == pytest.approx(0)
    assert float(balanced_agreement(_choice(truth, truth))) == pytest.approx(1)
    assert float(balanced_agreement(_choice([1.0] * 10, truth))) == pytest.approx(0)


def test_balanced_agreement_on_one_side_only_is_agreement() -> None:
    assert float(balanced_agreement(_choice([1, 0], [0, IGNORED]))) == -1
    assert float(balanced_agreement(_choice([1, 0], [1, IGNORED]))) == 1
    assert float(balanced_agreement(_choice([1, 0], [IGNORED, IGNORED]))) == 0


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
        truth=torch.tensor([1.0, 0, 0, 1]),
        candidates=torch.zeros(4, dtype=torch.bool),
        text_index=torch.tensor([0, 0, 1, 1]),
        texts=2,
    )
    assert balanced_agreement(choice).tolist() == [1, -1]
