"""The calibrator, against the reference's with the same weights, one text at a time."""

from typing import Any

import pytest
import torch
from gliclass.calibration import GLiClassCalibrator
from gliclass.calibration import logit_features as reference_logit_features
from hypothesis import given
from hypothesis import strategies as st
from transformers import BertConfig

from model.calibrator import Calibrator, logit_statistics
from model.configuration import GliclassConfig
from model.errors import CheckpointError
from model.head import Scores
from model.scorers.groups import LabelGroups

SIZE = 6
label_counts = st.lists(st.one_of(st.integers(1, 4), st.integers(1, 200)), min_size=1, max_size=5)


def configuration(**changes: Any) -> GliclassConfig:
    encoder = BertConfig(hidden_size=SIZE, num_attention_heads=2, vocab_size=10)
    return GliclassConfig(encoder_config=encoder, use_calibrator=True, **changes)


@given(label_counts)
def test_logit_statistics_are_those_of_the_reference(counts: list[int]):
    logits = torch.randn(sum(counts)) * 5
    statistics = logit_statistics(logits, LabelGroups.one_per_text(counts)).split(counts)
    for own, expected_for in zip(statistics, logits.split(counts), strict=True):
        expected = reference_logit_features(expected_for[None], torch.ones(1, len(expected_for)))
        torch.testing.assert_close(own, expected[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("use_bias", [False, True])
@given(counts=label_counts)
def test_calibrated_logits_are_those_of_the_reference(use_bias: bool, counts: list[int]):
    reference: Any = GLiClassCalibrator(SIZE, 8, beta_max=2.5, use_bias=use_bias).eval()
    torch.nn.init.normal_(reference.mlp[-1].weight)
    config = configuration(calibrator_hidden_size=8, calibrator_beta_max=2.5, calibrator_use_bias=use_bias)
    ours = Calibrator.from_config(config).eval()
    ours.load_state_dict(reference.state_dict(), strict=True)
    text, classes, logits = torch.randn(len(counts), SIZE), torch.randn(sum(counts), SIZE), torch.randn(sum(counts))

    calibrated = ours(Scores(logits, text, classes, LabelGroups.one_per_text(counts))).split(counts)
    for index, (own, labels) in enumerate(zip(logits.split(counts), classes.split(counts), strict=True)):
        beta, bias = reference(text[index : index + 1], labels[None], own[None], torch.ones(1, len(own)))
        torch.testing.assert_close(calibrated[index], (beta * own + bias)[0], rtol=1e-5, atol=1e-5)


def test_a_fresh_calibrator_changes_nothing():
    logits = torch.randn(3)
    scores = Scores(logits, torch.randn(1, SIZE), torch.randn(3, SIZE), LabelGroups.one_per_text([3]))
    torch.testing.assert_close(Calibrator.from_config(configuration()).eval()(scores), logits)


def test_global_scaling_is_the_starting_point_of_a_fit():
    calibrator = Calibrator(SIZE, use_bias=True).eval()
    calibrator.reset_to_global_scaling(0.5, -2.0)
    scores = Scores(torch.tensor([4.0]), torch.randn(1, SIZE), torch.randn(1, SIZE), LabelGroups.one_per_text([1]))
    torch.testing.assert_close(calibrator(scores), torch.tensor([0.0]), rtol=0, atol=1e-5)


def test_gradients_reach_the_calibrators_weights():
    calibrator = Calibrator(SIZE, use_bias=True).train()
    for weight in calibrator.mlp.parameters():
        torch.nn.init.normal_(weight)
    scores = Scores(torch.randn(3), torch.randn(2, SIZE), torch.randn(3, SIZE), LabelGroups.one_per_text([1, 2]))
    calibrator(scores).sum().backward()
    assert all(weight.grad is not None for weight in calibrator.parameters())


def test_a_checkpoint_without_one_text_vector_cannot_be_calibrated():
    with pytest.raises(CheckpointError, match="use_calibrator with pooling_strategy 'pass'"):
        Calibrator.from_config(configuration(pooling_strategy="pass", scorer_type="cross-attn"))
