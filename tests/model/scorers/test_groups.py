"""The ragged layout of labels, and the sums and maxima over it."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model.scorers.groups import LabelGroups, group_maximum, group_softmax, group_sum

CPU = torch.device("cpu")


def test_labels_know_their_text_and_their_group():
    groups = LabelGroups((2, 1, 3), (0, 2, 2))
    assert groups.text_of_labels(CPU).tolist() == [0, 0, 2, 2, 2, 2]
    assert groups.group_of_labels(CPU).tolist() == [0, 0, 1, 2, 2, 2]
    assert groups.label_counts_of_texts(4) == (2, 0, 4, 0)
    assert groups.label_count == 6


def test_groups_of_one_text_stand_together():
    with pytest.raises(ValueError, match="ascend"):
        LabelGroups((1, 1, 1), (0, 1, 0))
    with pytest.raises(ValueError, match="2 label counts for 1"):
        LabelGroups((1, 1), (0,))


@given(st.lists(st.integers(0, 6), min_size=1, max_size=6))
def test_group_functions_work_within_each_group(counts: list[int]):
    values = torch.randn(sum(counts))
    groups = LabelGroups.one_per_text(counts).group_of_labels(CPU)
    maxima, sums = group_maximum(values, groups, len(counts)), group_sum(values, groups, len(counts))
    softmax = group_softmax(values, groups, len(counts)).split(counts)
    for index, own in enumerate(values.split(counts)):
        assert maxima[index] == (own.max() if len(own) else -torch.inf)
        torch.testing.assert_close(sums[index], own.sum())
        torch.testing.assert_close(softmax[index], own.softmax(dim=0))


def test_group_softmax_has_the_gradient_of_softmax():
    values = torch.randn(5, dtype=torch.float64, requires_grad=True)
    groups = LabelGroups.one_per_text([2, 3]).group_of_labels(CPU)
    assert torch.autograd.gradcheck(lambda logits: group_softmax(logits, groups, 2), values)
