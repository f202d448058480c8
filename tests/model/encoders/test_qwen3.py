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
    assert_embeds,
    assert_gradients,
    assert_parity,
    assert_rows,
    ragged,
    short_sequences,
    stock_alone,
    with_same_weights,
)
from transformers import Qwen3Config, Qwen3Model

from model.encoders.qwen3 import PackedQwen3
from model.errors import CheckpointError
from model.packing import PackedBatch

SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 6,
    "intermediate_size": 24,
    "max_position_embeddings": 128,
}
VARIANTS: dict[str, dict[str, Any]] = {
    "grouped heads": {},
    "one key head": {"num_key_value_heads": 1},
    "no groups, biases": {"num_key_value_heads": 4, "attention_bias": True},
    "sliding layers": {"use_sliding_window": True, "sliding_window": 5, "max_window_layers": 1},
    "scaled rotary": {
        "rope_parameters": {
            "rope_type": "yarn",
            "factor": 4.0,
            "rope_theta": 1000.0,
            "original_max_position_embeddings": 32,
        }
    },
}
variants = st.sampled_from(sorted(VARIANTS))


@cache
def pair(variant: str) -> tuple[Qwen3Model, PackedQwen3, Alone]:
    config = Qwen3Config(**{**SIZES, **VARIANTS[variant]})
    torch.manual_seed(0)
    stock, packed = Qwen3Model(config), PackedQwen3(config)
    with_same_weights(stock, packed)
    return stock, packed, stock_alone(stock)


@given(variants, short_sequences)
@settings(max_examples=40)
def test_a_packed_batch_equals_each_sequence_alone(variant: str, sequences: list[list[int]]) -> None:
    _, packed, alone = pair(variant)
    assert_parity(packed, alone, sequences)


@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_long_and_equal_lengths_equal_each_alone(variant: str) -> None:
    _, packed, alone = pair(variant)
    assert_parity(packed, alone, ragged([7, 7, 1, 1, 40, 90]))


def test_a_text_of_two_thousand_tokens_equals_it_alone() -> None:
    _, packed, alone = pair("grouped heads")
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


def test_dropout_acts_in_training_only() -> None:
    packed = PackedQwen3(Qwen3Config(**SIZES, attention_dropout=0.4))
    batch = PackedBatch.pack(ragged([8, 20]))
    with torch.no_grad():
        noisy = packed(batch)
        calm = packed.eval()(batch)
        assert not torch.allclose(noisy, calm, atol=1e-4)
        assert torch.equal(packed(batch), calm)


def test_token_types_are_refused() -> None:
    _, packed, _ = pair("grouped heads")
    batch = PackedBatch.pack([[3, 4]])
    with pytest.raises(ValueError, match="Qwen3 has no token types"):
        packed(batch, token_type_ids=torch.zeros_like(batch.input_ids))


def test_frequencies_that_follow_the_longest_text_are_refused() -> None:
    config = Qwen3Config(**SIZES)
    config.rope_parameters = {"rope_type": "longrope", "factor": 2.0, "rope_theta": 10.0}
    with pytest.raises(CheckpointError, match=r"rope_parameters\.rope_type 'longrope' makes a score"):
        PackedQwen3(config)
