"""BERT and the encoders built like it: RoBERTa, XLM-RoBERTa, CamemBERT, ELECTRA."""

from typing import cast

from torch import Tensor, nn
from transformers import AutoModel, PreTrainedConfig
from transformers.models.bert.modeling_bert import BertEmbeddings, BertEncoder, BertLayer, BertSelfAttention

from model.errors import CheckpointError
from model.packing import PackedBatch, QueryRows, packed_attention
from model.prepacked import FUSED_ACTIVATIONS, PrepackedLinear

# These count positions from padding_idx + 1.
OFFSET_POSITIONS = ("camembert", "roberta", "xlm-roberta")


class PackedBert(nn.Module):
    """The layers of a transformers BERT-like model, run on packed sequences; satisfies `PackedEncoder`."""

    embeddings: BertEmbeddings
    encoder: BertEncoder

    def __init__(self, config: PreTrainedConfig) -> None:
        """Random weights.

        Raises:
            CheckpointError: the config describes a decoder.
        """
        super().__init__()
        if getattr(config, "is_decoder", False):
            raise CheckpointError("encoder_config.is_decoder is true: a causal BERT is no encoder")
        self.config = config
        for name, child in AutoModel.from_config(config).named_children():
            self.add_module(name, child)
        padding = self.embeddings.word_embeddings.padding_idx
        self.first_position = padding + 1 if config.model_type in OFFSET_POSITIONS and padding is not None else 0

    def get_input_embeddings(self) -> nn.Embedding:
        return self.embeddings.word_embeddings

    def fuse(self) -> None:
        """Turn the layers into `FusedBertLayer`s; for inference on the CPU, and for good."""
        layers = [cast(BertLayer, layer) for layer in self.encoder.layer]
        self.encoder.layer = nn.ModuleList(
            FusedBertLayer(layer, self.config.hidden_act, is_last=layer is layers[-1]) for layer in layers
        )

    def forward(
        self,
        batch: PackedBatch,
        *,
        inputs_embeds: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        rows: Tensor | None = None,
    ) -> Tensor:
        """[T, H], or [R, H] with `rows`; see `PackedEncoder`."""
        hidden = self._embed(batch, inputs_embeds, token_type_ids)
        asked = None if rows is None else QueryRows.of(rows, batch.cumulative_lengths)
        last = len(self.encoder.layer) - 1
        for index, layer in enumerate(self.encoder.layer):
            trimmed = asked if index == last else None
            if isinstance(layer, FusedBertLayer):
                hidden = layer(hidden, batch.cumulative_lengths, trimmed)
            else:
                hidden = self._layer(cast(BertLayer, layer), hidden, batch.cumulative_lengths, trimmed)
        return hidden

    def _embed(self, batch: PackedBatch, inputs_embeds: Tensor | None, token_type_ids: Tensor | None) -> Tensor:
        embedded = self.embeddings(
            input_ids=batch.input_ids[None] if inputs_embeds is None else None,
            inputs_embeds=None if inputs_embeds is None else inputs_embeds[None],
            token_type_ids=batch.input_ids.new_zeros(1, batch.token_count)
            if token_type_ids is None
            else token_type_ids[None],
            position_ids=batch.position_ids[None] + self.first_position,
        )
        projection = self._modules.get("embeddings_project")
        return embedded[0] if projection is None else projection(embedded[0])

    def _layer(
        self, layer: BertLayer, hidden: Tensor, cumulative_lengths: tuple[int, ...], rows: QueryRows | None
    ) -> Tensor:
        attention = cast(BertSelfAttention, layer.attention.self)
        heads = (attention.num_attention_heads, attention.attention_head_size)
        asking = hidden if rows is None else hidden[rows.indices]
        attended = packed_attention(
            attention.query(asking).unflatten(-1, heads),
            attention.key(hidden).unflatten(-1, heads),
            attention.value(hidden).unflatten(-1, heads),
            cumulative_lengths,
            rows=rows,
            scale=attention.scaling,
            dropout=attention.dropout.p if self.training else 0.0,
        )
        return layer.feed_forward_chunk(layer.attention.output(attended.flatten(1), asking))


class FusedBertLayer(nn.Module):
    """A BERT layer of four matrix products, with activation and residuals inside them. The same function."""

    def __init__(self, layer: BertLayer, activation: str, *, is_last: bool) -> None:
        """is_last: keys and values are computed apart from queries, which may be asked for few rows."""
        super().__init__()
        attention = cast(BertSelfAttention, layer.attention.self)
        projections = (attention.query, attention.key, attention.value)
        self.heads = (attention.num_attention_heads, attention.attention_head_size)
        self.scale = attention.scaling
        self.query = PrepackedLinear(attention.query) if is_last else None
        self.projection = PrepackedLinear(*(projections[1:] if is_last else projections))
        self.attention_output = PrepackedLinear(layer.attention.output.dense)
        self.attention_norm = layer.attention.output.LayerNorm
        fused = activation in FUSED_ACTIVATIONS
        self.intermediate = PrepackedLinear(layer.intermediate.dense, activation=activation if fused else None)
        self.activation = nn.Identity() if fused else layer.intermediate.intermediate_act_fn
        self.output = PrepackedLinear(layer.output.dense)
        self.output_norm = layer.output.LayerNorm

    def forward(self, hidden: Tensor, cumulative_lengths: tuple[int, ...], rows: QueryRows | None) -> Tensor:
        """[T, H] -> [T, H], or [R, H] with `rows`."""
        asking = hidden if rows is None else hidden[rows.indices]
        *query, key, value = self.projection(hidden).unflatten(-1, (-1, *self.heads)).unbind(1)
        if self.query is not None:
            query = [self.query(asking).unflatten(-1, self.heads)]
        attended = packed_attention(query[0], key, value, cumulative_lengths, rows=rows, scale=self.scale)
        states = self.attention_norm(self.attention_output.plus(attended.flatten(1), asking))
        return self.output_norm(self.output.plus(self.activation(self.intermediate(states)), states))
