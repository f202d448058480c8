"""The cross-attention scorer, against the reference's, one text at a time."""

import pytest
import torch
from gliclass.scorers import CrossAttnScorer
from hypothesis import given
from hypothesis import strategies as st

from model.scorers.cross_attention import CrossAttentionScorer
from model.scorers.groups import LabelGroups

SIZE, HEADS = 8, 2
REFERENCE = CrossAttnScorer(SIZE, num_heads=HEADS, scorer_mlp_hidden_size=12).eval()


def scorer(dropout: float = 0.1) -> CrossAttentionScorer:
    ours = CrossAttentionScorer(SIZE, HEADS, dropout, 12)
    ours.load_state_dict(REFERENCE.state_dict(), strict=True)
    return ours.eval()


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 200)), min_size=1, max_size=4))
def test_labels_attend_to_their_own_text_as_in_the_reference_run_alone(sizes: list[tuple[int, int]]):
    text_lengths, counts = [length for length, _ in sizes], [count for _, count in sizes]
    text, classes = torch.randn(sum(text_lengths), SIZE), torch.randn(sum(counts), SIZE)
    logits = scorer()(text, text_lengths, classes, LabelGroups.one_per_text(counts))
    expected = [
        REFERENCE(own[None], labels[None])[0]
        for own, labels in zip(text.split(text_lengths), classes.split(counts), strict=True)
    ]
    torch.testing.assert_close(logits, torch.cat(expected), rtol=1e-5, atol=1e-5)


def test_several_label_sets_share_a_text_and_a_text_may_have_none():
    text, classes = torch.randn(6, SIZE), torch.randn(5, SIZE)
    logits = scorer()(text, [2, 3, 1], classes, LabelGroups((2, 3), (1, 1)))
    torch.testing.assert_close(logits, REFERENCE(text[None, 2:5], classes[None])[0], rtol=1e-5, atol=1e-5)


def test_gradients_reach_text_classes_and_weights():
    ours = scorer().train()
    text, classes = torch.randn(5, SIZE, requires_grad=True), torch.randn(4, SIZE, requires_grad=True)
    ours(text, [2, 3], classes, LabelGroups.one_per_text([1, 3])).sum().backward()
    assert all(tensor.grad is not None for tensor in (text, classes, *ours.parameters()))


def test_attention_dropout_acts_in_training_only():
    ours = scorer(dropout=0.5)
    inputs = (torch.randn(20, SIZE), [20], torch.randn(3, SIZE), LabelGroups.one_per_text([3]))
    assert torch.equal(ours(*inputs), ours(*inputs))
    ours.train()
    assert not torch.equal(ours(*inputs), ours(*inputs))


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(ValueError, match="scorer_num_heads 3 does not divide hidden_size 8"):
        CrossAttentionScorer(8, 3)
