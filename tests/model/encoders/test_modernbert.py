from functools import cache
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.encoder_parity import (
    VOCABULARY,
    Alone,
    assert_bfloat16,
    assert_close,
    assert_embeds,
    assert_gradients,
    assert_parity,
    assert_rows,
    ragged,
    short_sequences,
    stock_alone,
    with_same_weights,
)
from transformers import ModernBertConfig, ModernBertModel

from model.encoders import build_encoder
from model.encoders.modernbert import PackedModernBert, local_attention
from model.errors import CheckpointError
from model.packing import PackedBatch, QueryRows, packed_attention

SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 16,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 128,
    "local_attention": 8,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "cls_token_id": 1,
    "eos_token_id": 2,
    "sep_token_id": 2,
}
VARIANTS: dict[str, dict[str, Any]] = {
    "every third layer global": {},
    "last layer local": {"num_hidden_layers": 2, "global_attn_every_n_layers": 2},
    "named layer types": {"layer_types": ["sliding_attention", "full_attention"] * 2},
    "all global": {"layer_types": ["full_attention"] * 4},
    "thetas under their old names": {"global_rope_theta": 8000.0, "local_rope_theta": 20.0},
    "thetas as rope parameters": {
        "rope_parameters": {
            "full_attention": {"rope_type": "linear", "factor": 2.0, "rope_theta": 500.0},
            "sliding_attention": {"rope_type": "default", "rope_theta": 30.0},
        }
    },
    "biases everywhere": {"attention_bias": True, "mlp_bias": True, "norm_bias": True},
    "narrowest neighbourhood": {"local_attention": 1, "hidden_activation": "relu"},
}
variants = st.sampled_from(sorted(VARIANTS))


@cache
def pair(variant: str) -> tuple[ModernBertModel, PackedModernBert, Alone]:
    config = ModernBertConfig(**{**SIZES, **VARIANTS[variant]})
    torch.manual_seed(0)
    stock, packed = ModernBertModel(config), build_encoder(config)
    assert isinstance(packed, PackedModernBert)
    with_same_weights(stock, packed)
    return stock, packed, stock_alone(stock)


@given(variants, short_sequences)
@settings(max_examples=40)
def test_a_packed_batch_equals_each_sequence_alone(variant: str, sequences: list[list[int]]) -> None:
    _, packed, alone = pair(variant)
    assert_parity(packed, alone, sequences)


@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_lengths_around_the_neighbourhood_and_its_blocks_equal_each_alone(variant: str) -> None:
    _, packed, alone = pair(variant)
    assert_parity(packed, alone, ragged([1, 4, 5, 6, 8, 9, 12, 13, 16, 17, 60]))


def test_a_text_of_two_thousand_tokens_equals_it_alone() -> None:
    _, packed, alone = pair("every third layer global")
    assert_parity(packed, alone, ragged([2000, 3]))


@given(variants, short_sequences, st.data())
@settings(max_examples=40)
def test_only_the_asked_rows_leave_the_last_layer(
    variant: str, sequences: list[list[int]], data: st.DataObject
) -> None:
    _, packed, _ = pair(variant)
    tokens = sum(map(len, sequences))
    rows = sorted(data.draw(st.lists(st.integers(0, tokens - 1), min_size=1, max_size=8)))
    assert_rows(packed, sequences, rows)


@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_given_word_embeddings_are_used(variant: str) -> None:
    _, packed, alone = pair(variant)
    assert_embeds(packed, alone, 16, [3, 1, 12])


@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_gradients_equal_those_of_the_stock_model(variant: str) -> None:
    stock, packed, alone = pair(variant)
    assert_gradients(packed, stock, alone, ragged([4, 1, 30, 6]), rows=[0, 2, 5, 6, 34, 40])


@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_bfloat16_stays_close(variant: str) -> None:
    _, packed, alone = pair(variant)
    assert_bfloat16(packed, alone, ragged([3, 30, 9]))


@given(st.lists(st.integers(1, 30), min_size=1, max_size=4), st.integers(0, 9), st.data())
def test_blocks_of_a_neighbourhood_add_up_to_the_whole(lengths: list[int], reach: int, data: st.DataObject) -> None:
    batch = PackedBatch.pack(ragged(lengths))
    query, key, value = torch.randn(3, batch.token_count, 2, 4).unbind()
    expected = packed_attention(query, key, value, batch.cumulative_lengths, window=reach)
    assert_close(local_attention(query, key, value, batch.cumulative_lengths, reach=reach), expected)
    rows = torch.tensor(sorted(data.draw(st.sets(st.integers(0, batch.token_count - 1), min_size=1))))
    asked = QueryRows.of(rows, batch.cumulative_lengths)
    part = local_attention(query[rows], key, value, batch.cumulative_lengths, reach=reach, rows=asked)
    assert_close(part, expected[rows])


def test_dropout_acts_in_training_only() -> None:
    config = ModernBertConfig(**SIZES, attention_dropout=0.4)
    packed = PackedModernBert(config)
    batch = PackedBatch.pack(ragged([8, 20]))
    with torch.no_grad():
        noisy = packed(batch)
        calm = packed.eval()(batch)
        assert not torch.allclose(noisy, calm, atol=1e-3)
        assert torch.equal(packed(batch), calm)


def test_token_types_are_refused() -> None:
    _, packed, _ = pair("all global")
    batch = PackedBatch.pack([[3, 4]])
    with pytest.raises(ValueError, match="ModernBERT has no token types"):
        packed(batch, token_type_ids=torch.zeros_like(batch.input_ids))


def test_frequencies_that_follow_the_longest_text_are_refused() -> None:
    config = ModernBertConfig(**SIZES)
    config.rope_parameters = {
        "full_attention": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10.0},
        "sliding_attention": {"rope_type": "default", "rope_theta": 10.0},
    }
    with pytest.raises(CheckpointError, match=r"rope_parameters\.full_attention\.rope_type 'dynamic' makes a score"):
        PackedModernBert(config)
