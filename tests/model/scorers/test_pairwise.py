"""Scorers of one text vector and one class vector, against the reference's, one text at a time."""

import pytest
import torch
from gliclass.scorers import HopfieldScorer as ReferenceHopfieldScorer
from gliclass.scorers import MLPScorer, ScorerDot, ScorerWeightedDot
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from model.scorers.groups import LabelGroups
from model.scorers.pairwise import HopfieldScorer, MlpScorer, SimpleScorer, WeightedDotScorer

SIZE = 8
PAIRS: dict[str, tuple[nn.Module, nn.Module]] = {
    "simple": (ScorerDot(SIZE), SimpleScorer()),
    "weighted-dot": (ScorerWeightedDot(SIZE), WeightedDotScorer(SIZE)),
    "mlp": (MLPScorer(SIZE, scorer_mlp_hidden_size=64), MlpScorer(SIZE)),
    "hopfield": (ReferenceHopfieldScorer(SIZE), HopfieldScorer(SIZE)),
}
label_counts = st.lists(st.one_of(st.integers(1, 5), st.integers(1, 200)), min_size=1, max_size=5)


@pytest.mark.parametrize("name", PAIRS)
@given(counts=label_counts, data=st.data())
def test_ragged_label_sets_score_as_the_reference_scores_each_alone(name: str, counts: list[int], data: st.DataObject):
    reference, ours = (module.eval() for module in PAIRS[name])
    ours.load_state_dict(reference.state_dict(), strict=True)
    texts = sorted(data.draw(st.lists(st.integers(0, 2), min_size=len(counts), max_size=len(counts))))
    text, classes = torch.randn(3, SIZE), torch.randn(sum(counts), SIZE)
    logits = ours(text, classes, LabelGroups(tuple(counts), tuple(texts))).split(counts)
    for index, own, scored in zip(texts, classes.split(counts), logits, strict=True):
        torch.testing.assert_close(scored, reference(text[index : index + 1], own[None])[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", PAIRS)
def test_gradients_reach_text_classes_and_weights(name: str):
    scorer = PAIRS[name][1].train()
    scorer.zero_grad()
    text, classes = torch.randn(2, SIZE, requires_grad=True), torch.randn(5, SIZE, requires_grad=True)
    scorer(text, classes, LabelGroups.one_per_text([2, 3])).pow(2).sum().backward()
    for tensor in (text, classes, *scorer.parameters()):
        assert tensor.grad is not None
        assert tensor.grad.abs().sum() > 0


@pytest.mark.parametrize("name", PAIRS)
def test_the_scorers_run_in_bfloat16(name: str):
    reference, ours = PAIRS[name]
    ours.load_state_dict(reference.state_dict())
    text, classes, groups = torch.randn(2, SIZE), torch.randn(5, SIZE), LabelGroups.one_per_text([2, 3])
    exact = ours.eval()(text, classes, groups)
    rounded = ours.to(torch.bfloat16)(text.bfloat16(), classes.bfloat16(), groups)
    ours.float()
    torch.testing.assert_close(rounded.float(), exact, rtol=0.05, atol=0.05)


def test_dropout_of_the_weighted_dot_acts_in_training_only():
    scorer = WeightedDotScorer(SIZE, dropout=0.5)
    inputs = (torch.randn(1, SIZE), torch.randn(3, SIZE), LabelGroups.one_per_text([3]))
    assert not torch.equal(scorer.train()(*inputs), scorer(*inputs))
    assert torch.equal(scorer.eval()(*inputs), scorer(*inputs))
