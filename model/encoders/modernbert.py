"""ModernBERT, Ettin and mmBERT on packed sequences (Warner et al., arXiv 2412.13663).

Layers with global attention alternate with layers in which a token sees only its neighbourhood. A neighbourhood layer
works through a sequence in blocks of queries, each against the keys it can reach: its cost grows with the length of a
sequence, not with its square.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import ModernBertConfig, ModernBertModel
from transformers.models.modernbert.modeling_modernbert import (
    ModernBertEmbeddings,
    ModernBertEncoderLayer,
    ModernBertRotaryEmbedding,
)

from model.encoders.rotary import require_fixed_frequencies, rotate
from model.encoders.slices import in_slices
from model.packing import PackedBatch, QueryRows, packed_attention


def local_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    cumulative_lengths: Sequence[int],
    *,
    reach: int,
    rows: QueryRows | None = None,
    scale: float | None = None,
    dropout: float = 0.0,
) -> Tensor:
    """Attention inside each sequence of a packed batch, between tokens at most `reach` apart.

    Args:
        query: [T, heads, d], or [R, heads, d] in the order of `rows`.
        key, value: [T, heads, d].
        cumulative_lengths: N + 1 integers.
        reach: largest distance |i - j| that is seen.
        rows: which rows `query` holds; None for all of them.
        scale: factor on the scores; None for 1 / sqrt(d).
        dropout: probability of dropping an attention weight; only for training.

    Returns:
        [T, heads, d] or [R, heads, d], in the order of `query`.
    """
    block = max(2 * reach, 1)
    # Every block of queries and keys sees a part of this mask, because it only depends on their distance.
    distance = torch.arange(block + reach)[:, None] - torch.arange(block + 2 * reach)[None, :]
    band = torch.zeros(distance.shape).masked_fill(distance.abs() > reach, -torch.inf).to(query)
    contexts = []

    def attend(queries: slice, keys: slice, mask: Tensor | None) -> None:
        q, k, v = (part.transpose(0, 1)[None] for part in (query[queries], key[keys], value[keys]))
        context = F.scaled_dot_product_attention(q, k, v, mask, dropout, scale=scale)
        contexts.append(context[0].transpose(0, 1))

    for index, (start, end) in enumerate(pairwise(cumulative_lengths)):
        if rows is not None:
            queries = slice(rows.cumulative_lengths[index], rows.cumulative_lengths[index + 1])
            asked = rows.indices[queries]
            if len(asked) > 0:
                first, last = max(start, int(asked[0]) - reach), min(end, int(asked[-1]) + reach + 1)
                hidden = (asked[:, None] - torch.arange(first, last, device=asked.device)).abs() > reach
                mask = query.new_zeros(hidden.shape).masked_fill(hidden, -torch.inf)
                attend(queries, slice(first, last), mask)
            continue
        for first in range(start, end, block):
            last = min(first + block, end)
            keys = slice(max(start, first - reach), min(end, last + reach))
            farthest = max(last - 1 - keys.start, keys.stop - 1 - first)
            mask = band[first - keys.start : last - keys.start, : keys.stop - keys.start] if farthest > reach else None
            attend(slice(first, last), keys, mask)
    return contexts[0] if len(contexts) == 1 else torch.cat(contexts)


class PackedModernBert(nn.Module):
    """The layers of transformers' `ModernBertModel`, run on packed sequences; satisfies `PackedEncoder`."""

    embeddings: ModernBertEmbeddings
    layers: nn.ModuleList
    final_norm: nn.LayerNorm
    rotary_emb: ModernBertRotaryEmbedding

    def __init__(self, config: ModernBertConfig) -> None:
        """Random weights.

        Raises:
            CheckpointError: rotary frequencies that depend on the longest sequence of a batch.
        """
        super().__init__()
        for layer_type, parameters in (config.rope_parameters or {}).items():
            require_fixed_frequencies(f"rope_parameters.{layer_type}", parameters)
        self.config = config
        for name, child in ModernBertModel(config).named_children():
            self.add_module(name, child)

    def get_input_embeddings(self) -> nn.Embedding:
        return self.embeddings.tok_embeddings

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
            raise ValueError("ModernBERT has no token types")
        hidden = self.embeddings(
            input_ids=batch.input_ids if inputs_embeds is None else None, inputs_embeds=inputs_embeds
        )
        rotations = {
            layer_type: self.rotary_emb(hidden, batch.position_ids[None], layer_type)
            for layer_type in set(self.config.layer_types or ())
        }
        asked = None if rows is None else QueryRows.of(rows, batch.cumulative_lengths)
        last = len(self.layers) - 1
        for index, layer in enumerate(cast(list[ModernBertEncoderLayer], list(self.layers))):
            hidden = self._layer(
                layer,
                hidden,
                batch.cumulative_lengths,
                rotations[layer.attention_type],
                asked if index == last else None,
            )
        return self.final_norm(hidden)

    def _layer(
        self,
        layer: ModernBertEncoderLayer,
        hidden: Tensor,
        cumulative_lengths: Sequence[int],
        rotation: tuple[Tensor, Tensor],
        rows: QueryRows | None,
    ) -> Tensor:
        attention = layer.attn
        projected = attention.Wqkv(layer.attn_norm(hidden)).unflatten(-1, (3, -1, attention.head_dim))
        query, key = rotate(projected[:, :2], *rotation).unbind(1)
        value = projected[:, 2]
        dropout = attention.attention_dropout if self.training else 0.0
        if rows is not None:
            query, hidden = query[rows.indices], hidden[rows.indices]
        if layer.attention_type == "sliding_attention":
            attended = local_attention(
                query,
                key,
                value,
                cumulative_lengths,
                reach=self.config.sliding_window,
                rows=rows,
                dropout=dropout,
            )
        else:
            attended = packed_attention(query, key, value, cumulative_lengths, rows=rows, dropout=dropout)
        hidden = hidden + attention.out_drop(attention.Wo(attended.flatten(1)))
        return in_slices(lambda states: states + layer.mlp(layer.mlp_norm(states)), hidden)
