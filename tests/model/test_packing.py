import copy
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F
from transformers import BertConfig, BertModel

from model.packing import ATTENTION_NAME, PackedBatch, QueryRows, packed_attention, unpack

lengths = st.lists(st.integers(1, 9), min_size=1, max_size=6)


def random_heads(tokens: int, heads: int = 2, width: int = 4, seed: int = 0) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(tokens, heads, width, generator=generator) for _ in range(3))


def cumulate(lengths: list[int]) -> tuple[int, ...]:
    return tuple(sum(lengths[:index]) for index in range(len(lengths) + 1))


def dense_attention(query, key, value, cumulative_lengths, hidden) -> torch.Tensor:
    """One big softmax over all tokens; other sequences, and pairs for which hidden(i, j) holds, are masked."""
    total = cumulative_lengths[-1]
    mask = torch.full((total, total), -torch.inf)
    for start, end in pairwise(cumulative_lengths):
        for i in range(end - start):
            for j in range(end - start):
                if not hidden(i, j):
                    mask[start + i, start + j] = 0.0
    parts = (part.transpose(0, 1) for part in (query, key, value))
    return F.scaled_dot_product_attention(*parts, attn_mask=mask).transpose(0, 1)


def test_packing_restarts_positions_and_cumulates_lengths() -> None:
    batch = PackedBatch.pack([[5, 6, 7], [8], [9, 9]])
    assert batch.input_ids.tolist() == [5, 6, 7, 8, 9, 9]
    assert batch.position_ids.tolist() == [0, 1, 2, 0, 0, 1]
    assert batch.cumulative_lengths == (0, 3, 4, 6)
    assert batch.lengths == (3, 1, 2)
    assert batch.token_count == 6


@pytest.mark.parametrize("sequences", [[], [[1], []]])
def test_packing_refuses_nothing_and_empty_sequences(sequences: list[list[int]]) -> None:
    with pytest.raises(ValueError, match="at least one"):
        PackedBatch.pack(sequences)


def test_unpacking_gives_one_view_per_sequence() -> None:
    parts = unpack(torch.arange(6), (0, 3, 4, 6))
    assert [part.tolist() for part in parts] == [[0, 1, 2], [3], [4, 5]]


@given(lengths, st.booleans(), st.none() | st.integers(0, 4))
def test_attention_stays_inside_each_sequence(lengths: list[int], causal: bool, window: int | None) -> None:
    bounds = cumulate(lengths)
    query, key, value = random_heads(bounds[-1])
    expected = dense_attention(
        query, key, value, bounds, lambda i, j: (causal and j > i) or (window is not None and abs(i - j) > window)
    )
    actual = packed_attention(query, key, value, bounds, causal=causal, window=window)
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5)


@given(lengths, st.booleans(), st.none() | st.integers(0, 4), st.data())
def test_asking_for_rows_gives_those_rows_of_the_whole(
    lengths: list[int], causal: bool, window: int | None, data: st.DataObject
) -> None:
    bounds = cumulate(lengths)
    rows = torch.tensor(sorted(data.draw(st.lists(st.integers(0, bounds[-1] - 1), min_size=1, max_size=8))))
    query, key, value = random_heads(bounds[-1])
    whole = packed_attention(query, key, value, bounds, causal=causal, window=window)
    asked = QueryRows.of(rows, bounds)
    part = packed_attention(query[rows], key, value, bounds, rows=asked, causal=causal, window=window)
    torch.testing.assert_close(part, whole[rows], rtol=1e-5, atol=1e-5)


@given(lengths, st.booleans())
def test_a_bias_is_added_to_the_scores_of_its_sequence(lengths: list[int], causal: bool) -> None:
    bounds = cumulate(lengths)
    query, key, value = random_heads(bounds[-1])
    table = torch.randn(2, 16, 16, generator=torch.Generator().manual_seed(1))

    def bias(positions: torch.Tensor | None, length: int) -> torch.Tensor:
        return table[:, :length, :length] if positions is None else table[:, positions, :length]

    expected = []
    for start, end in pairwise(bounds):
        mask = table[:, : end - start, : end - start]
        if causal:
            mask = mask.masked_fill(torch.ones(end - start, end - start).triu(1).bool(), -torch.inf)
        parts = (part[start:end].transpose(0, 1) for part in (query, key, value))
        expected.append(F.scaled_dot_product_attention(*parts, attn_mask=mask).transpose(0, 1))
    actual = packed_attention(query, key, value, bounds, bias=bias, causal=causal)
    torch.testing.assert_close(actual, torch.cat(expected), rtol=1e-5, atol=1e-5)
    rows = QueryRows.of(torch.arange(0, bounds[-1], 2), bounds)
    part = packed_attention(query[rows.indices], key, value, bounds, rows=rows, bias=bias, causal=causal)
    torch.testing.assert_close(part, actual[rows.indices], rtol=1e-5, atol=1e-5)


def test_rows_are_counted_for_each_sequence() -> None:
    assert QueryRows.of(torch.tensor([0, 2, 5, 5]), (0, 3, 4, 6)).cumulative_lengths == (0, 2, 2, 4)


def test_rows_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match="must not decrease"):
        QueryRows.of(torch.tensor([2, 1]), (0, 3))


def test_gradients_flow_through_packed_attention() -> None:
    query, key, value = (part.requires_grad_() for part in random_heads(5))
    packed_attention(query, key, value, (0, 2, 5)).sum().backward()
    assert value.grad is not None
    assert bool((value.grad != 0).all())


@settings(max_examples=10)
@given(lengths)
def test_a_stock_transformers_model_runs_packed_under_the_registered_name(lengths: list[int]) -> None:
    config = BertConfig(vocab_size=30, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32)
    torch.manual_seed(0)
    alone = BertModel(config).eval()
    packed = BertModel._from_config(copy.deepcopy(config), attn_implementation=ATTENTION_NAME).eval()
    packed.load_state_dict(alone.state_dict())
    sequences = [[(7 * index + place) % 30 for place in range(length)] for index, length in enumerate(lengths)]
    batch = PackedBatch.pack(sequences)
    with torch.no_grad():
        together = packed(
            input_ids=batch.input_ids[None],
            position_ids=batch.position_ids[None],
            cumulative_lengths=batch.cumulative_lengths,
        ).last_hidden_state[0]
        apart = torch.cat([alone(input_ids=torch.tensor([ids])).last_hidden_state[0] for ids in sequences])
    torch.testing.assert_close(together, apart, rtol=1e-5, atol=1e-5)


def test_the_registered_attention_refuses_a_mask() -> None:
    config = BertConfig(vocab_size=30, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
    layer = BertModel._from_config(config, attn_implementation=ATTENTION_NAME).eval().encoder.layer[0]
    with pytest.raises(ValueError, match="takes no mask"):
        layer(torch.zeros(1, 3, 16), torch.zeros(1, 1, 3, 3), cumulative_lengths=(0, 3))
