"""Pooling of packed rows, against the reference's pooling of one text run alone."""

import pytest
import torch
from gliclass.poolings import POOLING2OBJECT
from hypothesis import given
from hypothesis import strategies as st

from model.pooling import POOLING, STRATEGIES, pool_classes, pool_text

lengths_strategy = st.lists(st.integers(1, 12), min_size=1, max_size=6)


@given(lengths_strategy, st.sampled_from(sorted(POOLING)), st.data())
def test_each_text_is_pooled_as_the_reference_pools_it_alone(lengths: list[int], strategy: str, data: st.DataObject):
    tails = data.draw(st.lists(st.integers(0, 4), min_size=len(lengths), max_size=len(lengths)))
    rows = torch.randn(sum(lengths), 5)
    pooled = pool_text(rows, lengths, strategy, [n + tail for n, tail in zip(lengths, tails, strict=True)])

    for own, tail, vector in zip(rows.split(lengths), tails, pooled, strict=True):
        padded = torch.cat([own, torch.zeros(tail, 5)])
        torch.testing.assert_close(vector, POOLING2OBJECT[strategy]()(padded[None])[0])


def test_every_published_strategy_is_known():
    assert set(STRATEGIES) == set(POOLING2OBJECT)


@given(lengths_strategy)
def test_pass_keeps_the_rows(lengths: list[int]):
    rows = torch.randn(sum(lengths), 5)
    assert pool_text(rows, lengths, "pass") is rows


@pytest.mark.parametrize("strategy", sorted(POOLING))
def test_a_text_is_pooled_alike_whatever_its_neighbours(strategy: str):
    rows = torch.randn(9, 5)
    torch.testing.assert_close(
        pool_text(rows, [2, 7], strategy)[:1], pool_text(rows[:2], [2], strategy), rtol=0, atol=0
    )


def test_a_text_without_rows_is_pooled_to_zeros():
    pooled = pool_text(torch.ones(2, 3), [0, 2], "last")
    assert pooled.tolist() == [[0, 0, 0], [1, 1, 1]]


@given(st.lists(st.integers(0, 40), min_size=1, max_size=30))
def test_a_class_vector_is_the_mean_of_its_rows(lengths: list[int]):
    rows = torch.randn(sum(lengths), 4)
    pooled = pool_classes(rows, lengths)
    for own, vector in zip(rows.split(lengths), pooled, strict=True):
        torch.testing.assert_close(vector, own.mean(dim=0) if len(own) else torch.zeros(4))


def test_a_long_class_in_half_precision_is_summed_in_full():
    rows = torch.full((4001, 2), 1.0, dtype=torch.bfloat16)
    assert pool_classes(rows, [4000, 1]).tolist() == [[1, 1], [1, 1]]


@pytest.mark.parametrize("strategy", [*sorted(POOLING), "pass"])
def test_gradients_reach_the_rows(strategy: str):
    rows = torch.randn(5, 3, requires_grad=True)
    pool_text(rows, [2, 3], strategy, [4, 3]).sum().backward()
    assert rows.grad is not None
    assert rows.grad.abs().sum() > 0
    classes = torch.randn(5, 3, requires_grad=True)
    pool_classes(classes, [2, 0, 3]).sum().backward()
    assert classes.grad is not None
    torch.testing.assert_close(classes.grad, torch.tensor([1 / 2] * 2 + [1 / 3] * 3)[:, None].expand(-1, 3))
