"""The simulated person answers truly, and the interval is Student's."""

import random
from types import SimpleNamespace
from typing import cast

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import feedback
from benchmarks.feedback import FeedbackFigures, answer, interval, measure, summarise
from model.checkpoint import Checkpoint
from model.training.data import TrainingExample

LABELS = ("a", "b", "c", "d")


@given(st.integers(0, 10**9), st.sampled_from(LABELS), st.sampled_from(LABELS))
def test_nothing_the_person_says_is_false(seed: int, gold: str, shown: str) -> None:
    said = answer(random.Random(seed), "text", LABELS, (gold,), shown)
    for label, target in zip(LABELS, said.targets, strict=True):
        assert target in (float(label == gold), -100.0)
    assert not said.candidates or gold in said.candidates


@given(st.integers(0, 10**9))
def test_a_text_with_no_label_of_the_set_is_only_refused(seed: int) -> None:
    said = answer(random.Random(seed), "text", LABELS, ("none of these",), "b")
    assert 1.0 not in said.targets


def test_half_of_the_answers_only_confirm_or_refuse_what_was_shown() -> None:
    said = [answer(random.Random(seed), "text", LABELS, ("a",), "b") for seed in range(400)]
    plain = sum(one.rejected == ("b",) for one in said)
    assert 160 < plain < 240
    assert sum(one.corrected == ("a",) for one in said) > 60
    assert sum(bool(one.candidates) for one in said) > 60


def test_the_interval_of_five_values_uses_four_degrees_of_freedom() -> None:
    mean, low, high = interval([0.0, 1.0, 2.0, 3.0, 4.0])
    assert mean == 2.0
    assert high - mean == pytest.approx(2.78 * (2.5**0.5) / 5**0.5)
    assert mean - low == pytest.approx(high - mean)


def test_the_summary_is_by_set() -> None:
    figures = [FeedbackFigures("one", seed, 10, 0.1, 0.2 + seed / 10, 0.5, 0.6, 3.0) for seed in range(2)]
    summary = summarise(figures)["one"]
    assert summary["seeds"] == 2
    assert summary["reward_gain"] == pytest.approx(0.15)
    assert summary["macro_f1_gain"] == pytest.approx(0.1)


def test_the_reward_of_a_sure_model_is_its_balanced_agreement(monkeypatch: pytest.MonkeyPatch) -> None:
    sure = [torch.tensor([50.0, -50.0, -50.0]), torch.tensor([-50.0, -50.0, 50.0]), torch.tensor([-50.0, -50.0, -50.0])]
    truth = [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 0.0)]
    monkeypatch.setattr(feedback, "score_examples", lambda *_: sure)
    test = [TrainingExample("text", LABELS[:3], targets) for targets in truth]
    reward, _ = measure(cast(Checkpoint, SimpleNamespace(model=None, tokenizers=None)), test)
    assert reward == pytest.approx((1 + (-1 + 0) / 2 + 1) / 3)
