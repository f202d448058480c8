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
from transformers import DebertaV2Config, DebertaV2Model
from transformers.models.deberta_v2.modeling_deberta_v2 import build_relative_position

from model.encoders import build_encoder
from model.encoders.deberta import PackedDeberta, PackedDebertaEncoder, RelativeScale
from model.errors import CheckpointError
from model.packing import PackedBatch

SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 64,
    "relative_attention": True,
    "pos_att_type": ["p2c", "c2p"],
    "position_biased_input": False,
}
V3 = {"position_buckets": 8, "norm_rel_ebd": "layer_norm", "share_att_key": True}
VARIANTS: dict[str, dict[str, Any]] = {
    "v3": V3,
    "v3 with wide buckets": {**V3, "position_buckets": 32},
    "v2": {**V3, "share_att_key": False},
    "v2-xlarge": {**V3, "conv_kernel_size": 3, "conv_act": "gelu"},
    "one layer, convolved": {**V3, "conv_kernel_size": 5, "conv_groups": 2, "num_hidden_layers": 1},
    "no buckets": {"max_relative_positions": 8},
    "no buckets, positions as the table": {"norm_rel_ebd": "none"},
    "c2p only": {**V3, "pos_att_type": "c2p"},
    "p2c only": {"pos_att_type": ["p2c"], "position_buckets": 8},
    "no position terms": {"pos_att_type": []},
    "absolute positions": {"relative_attention": False, "position_biased_input": True},
    "both positions, token types": {**V3, "position_biased_input": True, "type_vocab_size": 2},
    "narrow embeddings": {**V3, "embedding_size": 6, "position_biased_input": True, "type_vocab_size": 2},
}
variants = st.sampled_from(sorted(VARIANTS))


@cache
def pair(variant: str) -> tuple[DebertaV2Model, PackedDeberta, Alone]:
    config = DebertaV2Config(**{**SIZES, **VARIANTS[variant]})
    torch.manual_seed(0)
    stock, packed = DebertaV2Model(config), build_encoder(config)
    assert isinstance(packed, PackedDeberta)
    with_same_weights(stock, packed)
    return stock, packed, stock_alone(stock)


@given(variants, short_sequences)
@settings(max_examples=60)
def test_a_packed_batch_equals_each_sequence_alone(variant: str, sequences: list[list[int]]) -> None:
    _, packed, alone = pair(variant)
    assert_parity(packed, alone, sequences)


@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_lengths_up_to_the_position_limit_and_beyond_the_relative_range_equal_each_alone(variant: str) -> None:
    _, packed, alone = pair(variant)
    assert_parity(packed, alone, ragged([1, 2, 64, 5, 17, 4, 33, 5]))


def test_a_text_of_two_thousand_tokens_equals_it_alone() -> None:
    _, packed, alone = pair("v3")
    assert_parity(packed, alone, ragged([2000, 3]))


@given(variants, short_sequences, st.data())
@settings(max_examples=60)
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
    assert_embeds(packed, alone, packed.get_input_embeddings().embedding_dim, [3, 1, 12])


@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_gradients_equal_those_of_the_stock_model(variant: str) -> None:
    stock, packed, alone = pair(variant)
    assert_gradients(packed, stock, alone, ragged([4, 1, 20, 6]), rows=[0, 2, 5, 6, 24, 30])


@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_bfloat16_stays_close(variant: str) -> None:
    _, packed, alone = pair(variant)
    assert_bfloat16(packed, alone, ragged([3, 30, 9]))


def test_token_types_are_read_where_the_config_has_them_and_ignored_elsewhere() -> None:
    types = torch.tensor([0, 1, 1, 0])
    for variant in ("both positions, token types", "v3"):
        stock, packed, _ = pair(variant)
        batch = PackedBatch.pack([[5, 6, 7], [8]])
        with torch.no_grad():
            expected = [
                stock(input_ids=torch.tensor([ids]), token_type_ids=kinds[None]).last_hidden_state[0]
                for ids, kinds in zip([[5, 6, 7], [8]], types.split([3, 1]), strict=True)
            ]
            assert_close(packed(batch, token_type_ids=types), torch.cat(expected))


@given(st.integers(2, 64), st.integers(4, 600), st.integers(1, 700))
def test_distances_fall_into_the_buckets_of_the_stock_model(buckets: int, max_distance: int, length: int) -> None:
    scale = RelativeScale(buckets, buckets, max(max_distance, buckets))
    sequence = torch.zeros(1, length, 1)
    stock = build_relative_position(sequence, sequence, scale.buckets, scale.max_distance)[0]
    expected = (stock + scale.span).clamp(0, 2 * scale.span - 1)
    distance = torch.arange(length)[:, None] - torch.arange(length)[None, :]
    assert torch.equal(scale.rows(distance), expected)


def test_no_two_distances_share_a_row_up_to_the_longest_unshared_length() -> None:
    for scale in (RelativeScale(8, 8, 64), RelativeScale(256, 256, 512), RelativeScale(20, 0, 20)):
        length = scale.longest_unshared
        rows = scale.rows(torch.arange(1 - length, length))
        assert torch.equal(rows, torch.arange(scale.span + 1 - length, scale.span + length))


def test_kept_projections_follow_every_change_of_the_weights() -> None:
    config = DebertaV2Config(**{**SIZES, **V3})
    torch.manual_seed(0)
    stock, packed = DebertaV2Model(config), PackedDeberta(config)
    alone = stock_alone(stock)
    sequences = ragged([6, 20])
    with_same_weights(stock, packed)
    assert_parity(packed, alone, sequences)
    # In place, by loading, by an optimizer step, and by a round trip through another dtype.
    with torch.no_grad():
        for model in (stock, packed):
            model.encoder.rel_embeddings.weight.mul_(1.5)
    assert_parity(packed, alone, sequences)
    with_same_weights(stock, packed)
    assert_parity(packed, alone, sequences)
    optimizer = torch.optim.SGD(packed.parameters(), lr=0.1)
    packed(PackedBatch.pack(sequences)).square().mean().backward()
    optimizer.step()
    stock.load_state_dict(packed.state_dict())
    assert_parity(packed, alone, sequences)
    packed.to(torch.bfloat16).to(torch.float32)
    stock.load_state_dict(packed.state_dict())
    assert_parity(packed, alone, sequences)


def test_projections_kept_in_inference_mode_serve_a_later_pass_with_gradients() -> None:
    config = DebertaV2Config(**{**SIZES, **V3})
    packed = PackedDeberta(config).requires_grad_(False).eval()
    batch = PackedBatch.pack(ragged([5, 30]))
    with torch.inference_mode():
        expected = packed(batch).clone()
    embeds = packed.get_input_embeddings()(batch.input_ids).requires_grad_()
    actual = packed(batch, inputs_embeds=embeds)
    actual.square().sum().backward()
    assert_close(actual.detach(), expected)
    assert embeds.grad is not None
    assert embeds.grad.abs().sum() > 0


def test_dropout_acts_in_training_only() -> None:
    _, packed, _ = pair("v3")
    batch = PackedBatch.pack(ragged([8, 3]))
    with torch.no_grad():
        calm = packed(batch)
        packed.train()
        noisy = packed(batch)
        packed.eval()
        assert not torch.allclose(noisy, calm, atol=1e-3)
        assert torch.equal(packed(batch), calm)


def test_the_layers_serve_without_embeddings() -> None:
    stock, packed, _ = pair("no buckets")
    encoder = PackedDebertaEncoder(packed.config)
    encoder.load_state_dict(stock.encoder.state_dict())
    states = torch.randn(12, 16)
    with torch.no_grad():
        expected = [
            stock.encoder(part[None], torch.ones(1, len(part))).last_hidden_state[0] for part in states.split([9, 3])
        ]
        assert_close(encoder.eval()(states, (0, 9, 12)), torch.cat(expected))


def test_an_even_convolution_is_refused() -> None:
    with pytest.raises(CheckpointError, match="conv_kernel_size is 4; an even size"):
        PackedDeberta(DebertaV2Config(**{**SIZES, "conv_kernel_size": 4}))
