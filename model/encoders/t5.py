"""T5, mT5 and UMT5 on packed sequences: the encoder alone, and encoder with decoder.

Their attention adds a learned bias per head and log bucket of the distance to unscaled scores (Raffel et al., arXiv
1910.10683 §2.1). T5 and mT5 share the bias of their first block, UMT5 has one in every block. The bias of a short
sequence is the corner of a long one's, so each is laid out once per batch.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import torch
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
from transformers.models.t5.modeling_t5 import T5Attention, T5LayerCrossAttention, T5LayerSelfAttention, T5Stack

from model.encoders.slices import in_slices
from model.packing import AttentionBias, PackedBatch, QueryRows, packed_attention

AnyT5Config = T5Config | MT5Config | UMT5Config
ENCODERS = {"t5": T5EncoderModel, "mt5": MT5EncoderModel, "umt5": UMT5EncoderModel}
ENCODER_DECODERS = {"t5": T5Model, "mt5": MT5Model, "umt5": UMT5Model}


def relative_buckets(distance: Tensor, *, buckets: int, max_distance: int, bidirectional: bool) -> Tensor:
    """Row of the bias table for each distance, key position minus query position.

    A decoder's table knows only keys that precede the query: later ones share the row of distance 0.

    Args:
        distance: int64, any shape.
        buckets: rows of the table.
        max_distance: the distance from which all share the last row.
        bidirectional: whether later keys have half of the rows for themselves.

    Returns:
        int64, as `distance`.
    """
    row = torch.zeros_like(distance)
    if bidirectional:
        buckets //= 2
        row = torch.where(distance > 0, buckets, row)
        distance = distance.abs()
    else:
        distance = (-distance).clamp(min=0)
    exact = buckets // 2
    # The float operations and their order are those of transformers: another order rounds some distances into the
    # neighbouring bucket. Distance 0 has no logarithm and is replaced before it could matter.
    ratio = torch.log(distance.clamp(min=1).float() / exact) / math.log(max_distance / exact) * (buckets - exact)
    shared = (exact + ratio.long()).clamp(max=buckets - 1)
    return row + torch.where(distance < exact, distance, shared)


def relative_bias(
    table: nn.Embedding, length: int, *, max_distance: int, bidirectional: bool, causal: bool = False
) -> Tensor:
    """Bias of every pair of tokens in a sequence.

    Args:
        table: [buckets, heads].
        length: tokens of the sequence, L.
        max_distance, bidirectional: as in `relative_buckets`.
        causal: whether later keys are hidden.

    Returns:
        [1, heads, L, L]: query, key. Its corner [:l, :l] is the bias of a sequence of l tokens.
    """
    distance = torch.arange(1 - length, length, device=table.weight.device)
    rows = relative_buckets(
        distance, buckets=table.num_embeddings, max_distance=max_distance, bidirectional=bidirectional
    )
    values = table(rows).T
    if causal:
        values = values.masked_fill(distance > 0, -torch.inf)
    # Window w of the values holds the distances of query L - 1 - w to all keys.
    return values.unfold(1, length, 1).flip(1)[None]


def _corner(bias: Tensor) -> AttentionBias:
    def of_sequence(positions: Tensor | None, length: int) -> Tensor:
        corner = bias[:, :, :length, :length]
        return corner if positions is None else corner[:, :, positions]

    return of_sequence


def _run_stack(
    stack: T5Stack,
    hidden: Tensor,
    cumulative_lengths: Sequence[int],
    rows: Tensor | None,
    *,
    causal: bool = False,
    encoded: Tensor | None = None,
    encoded_lengths: Sequence[int] = (),
) -> Tensor:
    """Run the blocks of an encoder, or of a decoder that reads the `encoded` states [S, H] of its sequences."""
    config = cast(T5Config, stack.config)
    longest = max(end - start for start, end in pairwise(cumulative_lengths))
    everything = QueryRows(torch.arange(len(hidden), device=hidden.device), tuple(cumulative_lengths))
    asked = None if rows is None else QueryRows.of(rows, cumulative_lengths)
    hidden = stack.dropout(hidden)
    bias: AttentionBias | None = None
    for index, block in enumerate(stack.block):
        layers = cast(nn.ModuleList, block.layer)
        trimmed = asked if index == len(stack.block) - 1 else None
        self_attention = cast(T5LayerSelfAttention, layers[0])
        if self_attention.SelfAttention.has_relative_attention_bias:
            bias = _corner(
                relative_bias(
                    self_attention.SelfAttention.relative_attention_bias,
                    longest,
                    max_distance=config.relative_attention_max_distance,
                    bidirectional=not config.is_decoder,
                    causal=causal,
                )
            )
        normed = self_attention.layer_norm(hidden)
        asking = normed
        if trimmed is not None:
            asking, hidden = normed[trimmed.indices], hidden[trimmed.indices]
        attended = _attend(self_attention.SelfAttention, asking, normed, cumulative_lengths, trimmed, bias)
        hidden = hidden + self_attention.dropout(attended)
        if encoded is not None:
            cross_attention = cast(T5LayerCrossAttention, layers[1])
            normed = cross_attention.layer_norm(hidden)
            queries = everything if trimmed is None else trimmed
            attended = _attend(cross_attention.EncDecAttention, normed, encoded, encoded_lengths, queries, None)
            hidden = hidden + cross_attention.dropout(attended)
        hidden = in_slices(layers[-1], hidden)
    return stack.dropout(stack.final_layer_norm(hidden))


def _attend(
    attention: T5Attention,
    asking: Tensor,
    states: Tensor,
    cumulative_lengths: Sequence[int],
    rows: QueryRows | None,
    bias: AttentionBias | None,
) -> Tensor:
    heads = (attention.n_heads, attention.key_value_proj_dim)
    attended = packed_attention(
        attention.q(asking).unflatten(-1, heads),
        attention.k(states).unflatten(-1, heads),
        attention.v(states).unflatten(-1, heads),
        cumulative_lengths,
        rows=rows,
        scale=1.0,
        dropout=attention.dropout if attention.training else 0.0,
        bias=bias,
    )
    return attention.o(attended.flatten(1))


class PackedT5Encoder(nn.Module):
    """The encoder of transformers' T5, mT5 or UMT5, run on packed sequences; satisfies `PackedEncoder`."""

    shared: nn.Embedding
    encoder: T5Stack

    def __init__(self, config: AnyT5Config) -> None:
        """Random weights."""
        super().__init__()
        self.config = config
        for name, child in ENCODERS[config.model_type](config).named_children():
            self.add_module(name, child)
        self.encoder.set_input_embeddings(self.shared)

    def get_input_embeddings(self) -> nn.Embedding:
        return self.shared

    def forward(
        self,
        batch: PackedBatch,
        *,
        inputs_embeds: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        rows: Tensor | None = None,
    ) -> Tensor:
        """[T, H], or [R, H] with `rows`; see `PackedEncoder`."""
        if token_type_ids is not None:
            raise ValueError("T5 has no token types")
        embedded = self.shared(batch.input_ids) if inputs_embeds is None else inputs_embeds
        return _run_stack(self.encoder, embedded, batch.cumulative_lengths, rows)


class PackedT5EncoderDecoder(nn.Module):
    """transformers' T5, mT5 or UMT5 with encoder and decoder, run on packed sequences."""

    shared: nn.Embedding
    encoder: T5Stack
    decoder: T5Stack

    def __init__(self, config: AnyT5Config) -> None:
        """Random weights."""
        super().__init__()
        self.config = config
        for name, child in ENCODER_DECODERS[config.model_type](config).named_children():
            self.add_module(name, child)
        self.encoder.set_input_embeddings(self.shared)
        self.decoder.set_input_embeddings(self.shared)

    def get_input_embeddings(self) -> nn.Embedding:
        return self.shared

    def encode(self, batch: PackedBatch, *, inputs_embeds: Tensor | None = None, rows: Tensor | None = None) -> Tensor:
        """Encoder states, as `PackedEncoder` gives them; a decoder needs all rows: [T, H]."""
        embedded = self.shared(batch.input_ids) if inputs_embeds is None else inputs_embeds
        return _run_stack(self.encoder, embedded, batch.cumulative_lengths, rows)

    def decode(
        self,
        batch: PackedBatch,
        encoded: Tensor,
        encoded_lengths: Sequence[int],
        *,
        causal: bool,
        rows: Tensor | None = None,
    ) -> Tensor:
        """Decoder states of `batch`, whose sequence i reads the encoder states of sequence i.

        Args:
            batch: T tokens in N sequences, as they enter the decoder: nothing is shifted or put in front.
            encoded: [S, H], every row of `encode`.
            encoded_lengths: N + 1 integers: the cumulative lengths of what was encoded.
            causal: whether a token sees only what precedes it; the position buckets are a decoder's either way.
            rows: int64 [R], never decreasing: the only rows that leave the last layer. None for all.

        Returns:
            [T, H], or [R, H].
        """
        if len(encoded_lengths) != len(batch.cumulative_lengths):
            raise ValueError(
                f"{len(batch.cumulative_lengths) - 1} sequences to decode and {len(encoded_lengths) - 1} encoded ones"
            )
        return _run_stack(
            self.decoder,
            self.shared(batch.input_ids),
            batch.cumulative_lengths,
            rows,
            causal=causal,
            encoded=encoded,
            encoded_lengths=encoded_lengths,
        )
