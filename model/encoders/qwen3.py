"""Qwen3 on packed sequences: a causal decoder whose hidden states are read, not its next tokens."""

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn
from transformers import Qwen3Config, Qwen3Model
from transformers.models.qwen3.modeling_qwen3 import Qwen3DecoderLayer, Qwen3RMSNorm, Qwen3RotaryEmbedding

from model.encoders.rotary import require_fixed_frequencies, rotate
from model.encoders.slices import in_slices
from model.packing import PackedBatch, QueryRows, packed_attention


class PackedQwen3(nn.Module):
    """The layers of transformers' `Qwen3Model`, run on packed sequences; satisfies `PackedEncoder`.

    Each token sees itself and what precedes it in its own sequence.
    """

    embed_tokens: nn.Embedding
    layers: nn.ModuleList
    norm: Qwen3RMSNorm
    rotary_emb: Qwen3RotaryEmbedding

    def __init__(self, config: Qwen3Config) -> None:
        """Random weights.

        Raises:
            CheckpointError: rotary frequencies that depend on the longest sequence of a batch.
        """
        super().__init__()
        require_fixed_frequencies("rope_parameters", config.rope_parameters)
        self.config = config
        for name, child in Qwen3Model(config).named_children():
            self.add_module(name, child)

    def get_input_embeddings(self) -> nn.Embedding:
        return self.embed_tokens

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
            raise ValueError("Qwen3 has no token types")
        hidden = self.embed_tokens(batch.input_ids) if inputs_embeds is None else inputs_embeds
        rotation = self.rotary_emb(hidden, batch.position_ids[None])
        asked = None if rows is None else QueryRows.of(rows, batch.cumulative_lengths)
        last = len(self.layers) - 1
        for index, layer in enumerate(cast(list[Qwen3DecoderLayer], list(self.layers))):
            hidden = _layer(layer, hidden, batch.cumulative_lengths, rotation, asked if index == last else None)
        return self.norm(hidden)


def _layer(
    layer: Qwen3DecoderLayer,
    hidden: Tensor,
    cumulative_lengths: Sequence[int],
    rotation: tuple[Tensor, Tensor],
    rows: QueryRows | None,
) -> Tensor:
    attention = layer.self_attn
    cosine, sine = rotation
    normed = layer.input_layernorm(hidden)
    asking = normed
    if rows is not None:
        asking, hidden = normed[rows.indices], hidden[rows.indices]
        rotation = cosine[:, rows.indices], sine[:, rows.indices]
    heads = (-1, attention.head_dim)
    query = rotate(attention.q_norm(attention.q_proj(asking).unflatten(-1, heads)), *rotation)
    key = rotate(attention.k_norm(attention.k_proj(normed).unflatten(-1, heads)), cosine, sine)
    value = attention.v_proj(normed).unflatten(-1, heads)
    attended = packed_attention(
        query,
        key.repeat_interleave(attention.num_key_value_groups, dim=1),
        value.repeat_interleave(attention.num_key_value_groups, dim=1),
        cumulative_lengths,
        rows=rows,
        scale=attention.scaling,
        dropout=attention.attention_dropout if attention.training else 0.0,
        causal=True,
        window=None if attention.sliding_window is None else attention.sliding_window - 1,
    )
    hidden = hidden + attention.o_proj(attended.flatten(1))
    return in_slices(lambda states: states + layer.mlp(layer.post_attention_layernorm(states)), hidden)
