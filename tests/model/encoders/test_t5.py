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
from torch import Tensor, nn
from transformers import (
    MT5Config,
    MT5EncoderModel,
    MT5Model,
    T5Config,
    T5EncoderModel,
    T5Model,
    UMT5Config,
    UMT5EncoderModel,
    UMT5Model,
)
from transformers.models.t5.modeling_t5 import T5Attention

from model.encoders import build_encoder
from model.encoders.t5 import (
    AnyT5Config,
    PackedT5Encoder,
    PackedT5EncoderDecoder,
    relative_bias,
    relative_buckets,
)
from model.packing import PackedBatch

SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "d_model": 16,
    "d_kv": 6,
    "d_ff": 24,
    "num_layers": 2,
    "num_decoder_layers": 3,
    "num_heads": 2,
    "relative_attention_num_buckets": 8,
    "relative_attention_max_distance": 20,
    "decoder_start_token_id": 0,
}
V1_1: dict[str, Any] = {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}
VARIANTS: dict[str, tuple[AnyT5Config, type[nn.Module], type[nn.Module]]] = {
    "t5": (T5Config(**SIZES), T5EncoderModel, T5Model),
    "t5 v1.1": (T5Config(**SIZES, **V1_1), T5EncoderModel, T5Model),
    "mt5": (MT5Config(**SIZES), MT5EncoderModel, MT5Model),
    "umt5": (UMT5Config(**SIZES), UMT5EncoderModel, UMT5Model),
    "umt5, gated silu": (UMT5Config(**SIZES, feed_forward_proj="gated-silu"), UMT5EncoderModel, UMT5Model),
}
variants = st.sampled_from(sorted(VARIANTS))


@cache
def encoder_pair(variant: str) -> tuple[nn.Module, PackedT5Encoder, Alone]:
    config, stock_class, _ = VARIANTS[variant]
    torch.manual_seed(0)
    stock, packed = stock_class(config), build_encoder(config)
    assert isinstance(packed, PackedT5Encoder)
    with_same_weights(stock, packed)
    return stock, packed, stock_alone(stock)


@cache
def decoder_pair(variant: str) -> tuple[nn.Module, PackedT5EncoderDecoder]:
    config, _, stock_class = VARIANTS[variant]
    torch.manual_seed(0)
    stock, packed = stock_class(config), PackedT5EncoderDecoder(config)
    with_same_weights(stock, packed)
    return stock, packed


def decoded_alone(stock: nn.Module, read: list[int], written: list[int], causal: bool) -> tuple[Tensor, Tensor]:
    """Encoder and decoder states of the stock model; without a causal mask as the GLiClass reference asks for it."""
    length = len(written)
    output = stock(
        input_ids=torch.tensor([read]),
        decoder_input_ids=torch.tensor([written]),
        decoder_attention_mask=torch.ones(1, length) if causal else torch.zeros(1, 1, length, length),
    )
    return output.encoder_last_hidden_state[0], output.last_hidden_state[0]


@given(variants, short_sequences)
@settings(max_examples=40)
def test_a_packed_batch_equals_each_sequence_alone(variant: str, sequences: list[list[int]]) -> None:
    _, packed, alone = encoder_pair(variant)
    assert_parity(packed, alone, sequences)


@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_lengths_beyond_the_largest_distance_equal_each_alone(variant: str) -> None:
    _, packed, alone = encoder_pair(variant)
    assert_parity(packed, alone, ragged([1, 2, 19, 20, 21, 22, 3, 70]))


def test_a_text_of_two_thousand_tokens_equals_it_alone() -> None:
    _, packed, alone = encoder_pair("umt5")
    assert_parity(packed, alone, ragged([2000, 3]))


@given(variants, short_sequences, st.data())
@settings(max_examples=40)
def test_only_the_asked_rows_leave_the_last_layer(
    variant: str, sequences: list[list[int]], data: st.DataObject
) -> None:
    _, packed, _ = encoder_pair(variant)
    tokens = sum(map(len, sequences))
    rows = sorted(data.draw(st.lists(st.integers(0, tokens - 1), min_size=1, max_size=8)))
    assert_rows(packed, sequences, rows)


@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_given_word_embeddings_are_used(variant: str) -> None:
    _, packed, alone = encoder_pair(variant)
    assert_embeds(packed, alone, 16, [3, 1, 12])


@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_gradients_equal_those_of_the_stock_model(variant: str) -> None:
    stock, packed, alone = encoder_pair(variant)
    assert_gradients(packed, stock, alone, ragged([4, 1, 30, 6]), rows=[0, 2, 5, 6, 34, 40])


@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_bfloat16_stays_close(variant: str) -> None:
    _, packed, alone = encoder_pair(variant)
    assert_bfloat16(packed, alone, ragged([3, 30, 9]))


@given(variants, short_sequences, st.booleans(), st.data())
@settings(max_examples=60)
def test_packed_decoding_equals_each_sequence_alone(
    variant: str, read: list[list[int]], causal: bool, data: st.DataObject
) -> None:
    stock, packed = decoder_pair(variant)
    lengths = st.lists(st.integers(1, 14), min_size=len(read), max_size=len(read))
    written = ragged(data.draw(lengths), seed=5)
    source, target = PackedBatch.pack(read), PackedBatch.pack(written)
    rows = torch.tensor(sorted(data.draw(st.lists(st.integers(0, target.token_count - 1), min_size=1, max_size=6))))
    with torch.no_grad():
        alone = [decoded_alone(stock, *pair, causal) for pair in zip(read, written, strict=True)]
        encoded = packed.encode(source)
        assert_close(encoded, torch.cat([states for states, _ in alone]))
        whole = packed.decode(target, encoded, source.cumulative_lengths, causal=causal)
        assert_close(whole, torch.cat([states for _, states in alone]))
        part = packed.decode(target, encoded, source.cumulative_lengths, causal=causal, rows=rows)
        assert_close(part, whole[rows])
        assert_close(packed.encode(source, rows=torch.tensor([0])), encoded[:1])


@pytest.mark.parametrize("variant", sorted(VARIANTS))
@pytest.mark.parametrize("causal", [True, False])
def test_gradients_through_the_decoder_equal_those_of_the_stock_model(variant: str, causal: bool) -> None:
    stock, packed = decoder_pair(variant)
    read, written = ragged([5, 1, 25]), ragged([3, 30, 2], seed=5)
    source, target = PackedBatch.pack(read), PackedBatch.pack(written)
    rows = torch.tensor([1, 2, 20, 33])
    alone = [decoded_alone(stock, *pair, causal) for pair in zip(read, written, strict=True)]
    expected = torch.cat([states for _, states in alone])[rows]
    direction = torch.randn(expected.shape, generator=torch.Generator().manual_seed(3))
    (expected * direction).sum().backward()
    states = packed.decode(target, packed.encode(source), source.cumulative_lengths, causal=causal, rows=rows)
    (states * direction).sum().backward()
    for (name, weight), (stock_name, stock_weight) in zip(
        packed.named_parameters(), stock.named_parameters(), strict=True
    ):
        assert name == stock_name
        assert weight.grad is not None, name
        assert stock_weight.grad is not None, name
        assert_close(weight.grad, stock_weight.grad, tolerance=1e-4)
    stock.zero_grad()
    packed.zero_grad()


def test_a_decoder_in_bfloat16_stays_close() -> None:
    stock, _ = decoder_pair("umt5")
    low = PackedT5EncoderDecoder(VARIANTS["umt5"][0])
    low.load_state_dict(stock.state_dict())
    low.to(torch.bfloat16).eval()
    source, target = PackedBatch.pack(ragged([9, 30])), PackedBatch.pack(ragged([12, 4], seed=5))
    with torch.no_grad():
        actual = low.decode(target, low.encode(source), source.cumulative_lengths, causal=False)
        expected = torch.cat(
            [
                decoded_alone(stock, read, written, causal=False)[1]
                for read, written in zip(ragged([9, 30]), ragged([12, 4], seed=5), strict=True)
            ]
        )
    assert actual.dtype == torch.bfloat16
    assert (actual.float() - expected).norm() <= 0.03 * expected.norm()


def test_every_sequence_to_decode_needs_an_encoded_one() -> None:
    _, packed = decoder_pair("t5")
    source, target = PackedBatch.pack([[3, 4]]), PackedBatch.pack([[5], [6]])
    with torch.no_grad(), pytest.raises(ValueError, match="2 sequences to decode and 1 encoded ones"):
        packed.decode(target, packed.encode(source), source.cumulative_lengths, causal=True)


@given(st.integers(2, 16).map(lambda half: 4 * half), st.integers(40, 300), st.booleans())
def test_distances_fall_into_the_buckets_of_the_stock_model(
    buckets: int, max_distance: int, bidirectional: bool
) -> None:
    distance = torch.arange(-400, 401)
    expected = T5Attention._relative_position_bucket(distance, bidirectional, buckets, max_distance)
    actual = relative_buckets(distance, buckets=buckets, max_distance=max_distance, bidirectional=bidirectional)
    assert torch.equal(actual, expected)


@given(st.integers(1, 40), st.data())
def test_the_bias_of_a_short_sequence_is_the_corner_of_a_long_one(length: int, data: st.DataObject) -> None:
    table = nn.Embedding(8, 3)
    shorter = data.draw(st.integers(1, length))
    bias, corner = (
        relative_bias(table, size, max_distance=20, bidirectional=True, causal=True) for size in (length, shorter)
    )
    assert torch.equal(bias[..., :shorter, :shorter], corner)
    hidden = torch.ones(length, length, dtype=torch.bool).triu(1)
    assert torch.equal(bias.isinf(), hidden.expand_as(bias))


def test_the_embedding_table_is_one_under_all_its_names() -> None:
    _, packed, _ = encoder_pair("mt5")
    assert packed.encoder.embed_tokens.weight is packed.shared.weight is packed.get_input_embeddings().weight
    _, both = decoder_pair("mt5")
    assert both.encoder.embed_tokens.weight is both.decoder.embed_tokens.weight is both.get_input_embeddings().weight


def test_dropout_acts_in_training_only() -> None:
    packed = PackedT5Encoder(T5Config(**SIZES, dropout_rate=0.3))
    batch = PackedBatch.pack(ragged([8, 20]))
    with torch.no_grad():
        noisy = packed(batch)
        calm = packed.eval()(batch)
        assert not torch.allclose(noisy, calm, atol=1e-3)
        assert torch.equal(packed(batch), calm)


def test_token_types_are_refused() -> None:
    _, packed, _ = encoder_pair("t5")
    batch = PackedBatch.pack([[3, 4]])
    with pytest.raises(ValueError, match="T5 has no token types"):
        packed(batch, token_type_ids=torch.zeros_like(batch.input_ids))
