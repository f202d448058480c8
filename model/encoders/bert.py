"""BERT and the encoders built like it: RoBERTa, XLM-RoBERTa, CamemBERT, ELECTRA."""

from typing import cast

from torch import Tensor, nn
from transformers import AutoModel, PreTrainedConfig
from transformers.models.bert.modeling_bert import BertEmbeddings, BertEncoder, BertLayer, BertSelfAttention

from model.errors import CheckpointError
from model.packing import PackedBatch, QueryRows, packed_attention

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
        offset_positions = config.model_type in OFFSET_POSITIONS
        padding = self.embeddings.word_embeddings.padding_idx
        self.first_position = padding + 1 if offset_positions and padding is not None else 0

    def get_input_embeddings(self) -> nn.Embedding:
        return self.embeddings.word_embeddings

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
            hidden = self._layer(
                cast(BertLayer, layer), hidden, batch.cumulative_lengths, asked if index == last else None
            )
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
