"""bi-encoder: a text tower and a label tower; label vectors do not depend on the text."""

from collections.abc import Sequence
from itertools import accumulate
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from model.architectures import Tokenizers
from model.configuration import GliclassConfig
from model.encoders import build_encoder
from model.errors import CheckpointError, LabelSetError
from model.head import ClassificationHead, Scores
from model.label_set import LabelSet
from model.packing import PackedBatch
from model.pooling import pool_text
from model.projectors import BiEncoderProjector
from model.prompt import Prompt, TextPass, TextSlot, require_room
from model.readout import Spans, trimmed_to_pooling
from model.scorers.groups import LabelGroups
from model.tokenizer import TokenIds

LABEL_BATCH_TOKENS = 8192


class BiEncoder(ClassificationHead):
    """One sequence for each text and prompt, whatever the number of its label sets.

    The reference pools without a mask over padded texts and labels, so poolings other than "first" give it scores
    that depend on the longest text and the longest label of the call; here they are those of each text and label run
    alone. It also drops few-shot examples silently; so does this class, and what `Scorer.prepare` gives says so.
    """

    has_label_tower: ClassVar[bool] = True
    markers: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: GliclassConfig) -> None:
        super().__init__(config)
        if config.label_model_config is None:
            raise CheckpointError(f"label_model_name is missing: a {config.architecture_type} has a label tower")
        if config.pooling_strategy == "pass":
            raise CheckpointError(f"pooling_strategy 'pass' does not work with a {config.architecture_type}")
        self.encoder_model = build_encoder(config.encoder_config)
        self.label_encoder = build_encoder(config.label_model_config)
        self.biencoder_projector = BiEncoderProjector(
            config.label_model_config.hidden_size, config.hidden_size, config.encoder_size, config.projector_hidden_act
        )

    def prompt(self, label_set: LabelSet, tokenizers: Tokenizers) -> Prompt:
        """Prompt, a space, text; each label on its own."""
        prefix = f"{label_set.prompt} " if label_set.prompt else ""
        prompt = Prompt(
            label_count=len(label_set.labels),
            key=prefix,
            slot=TextSlot(prefix=prefix),
            labels=label_sequences(label_set, tokenizers),
        )
        require_room(prompt, tokenizers.text, tokenizers.max_tokens)
        return prompt

    def label_vectors(self, prompts: Sequence[Prompt]) -> list[Tensor] | None:
        """Class features of each prompt's labels, [labels, E]."""
        return encode_labels(self, self.label_encoder, prompts)

    def forward(self, passes: Sequence[TextPass]) -> Scores:
        """Logits of every pass; see `Architecture`."""
        batch = PackedBatch.pack([text_pass.token_ids for text_pass in passes], self.logit_scale.device)
        rows, lengths = pooled_rows(self, self.encoder_model, batch)
        text = self.text_features(rows, lengths)
        counts, texts = [], []
        for index, text_pass in enumerate(passes):
            counts += [label_set.prompt.label_count for label_set in text_pass.label_sets]
            texts += [index] * len(text_pass.label_sets)
        classes = torch.cat(self._vectors(passes))
        return self.score(text, classes, LabelGroups(tuple(counts), tuple(texts)), scaled=True)

    def _vectors(self, passes: Sequence[TextPass]) -> list[Tensor]:
        label_sets = [label_set for text_pass in passes for label_set in text_pass.label_sets]
        missing = {item.key: item.prompt for item in label_sets if item.vectors is None}
        vectors = (self.label_vectors(list(missing.values())) if missing else None) or []
        computed = dict(zip(missing, vectors, strict=True))
        return [computed[item.key] if item.vectors is None else item.vectors for item in label_sets]


def label_sequences(label_set: LabelSet, tokenizers: Tokenizers) -> tuple[TokenIds, ...]:
    """One sequence for each label of the label tower.

    Raises:
        LabelSetError: a label is longer than the label tower's window.
    """
    tokenizer = tokenizers.labels
    sequences = tuple(tokenizer.sequence(tokenizer.encode(label)) for label in label_set.shown_labels)
    for index, sequence in enumerate(sequences):
        if len(sequence) > tokenizers.max_label_tokens:
            raise LabelSetError(
                f"labels[{index}] ({label_set.labels[index][:60]!r}) has {len(sequence)} tokens with its description; "
                f"the label tower reads {tokenizers.max_label_tokens}; shorten it"
            )
    return sequences


def encode_labels(model: "BiEncoder", label_encoder: nn.Module, prompts: Sequence[Prompt]) -> list[Tensor]:
    """Class features of each prompt's labels, [labels, E]; a label that prompts share is encoded once."""
    distinct: dict[bytes, int] = {}
    for prompt in prompts:
        for sequence in prompt.labels:
            distinct.setdefault(sequence.tobytes(), len(distinct))
    sequences = [np.frombuffer(content, dtype=np.int64) for content in distinct]
    pooled = torch.cat([_pool_labels(model, label_encoder, chunk) for chunk in _chunks(sequences)])
    features = model.class_features(model.biencoder_projector(pooled))
    return [
        features[torch.tensor([distinct[sequence.tobytes()] for sequence in prompt.labels], device=features.device)]
        for prompt in prompts
    ]


def _pool_labels(model: "BiEncoder", label_encoder: nn.Module, sequences: Sequence[TokenIds]) -> Tensor:
    batch = PackedBatch.pack(sequences, model.logit_scale.device)
    rows, lengths = pooled_rows(model, label_encoder, batch)
    return pool_text(rows, lengths, model.config.pooling_strategy)


def pooled_rows(model: ClassificationHead, encoder: nn.Module, batch: PackedBatch) -> tuple[Tensor, tuple[int, ...]]:
    """Run an encoder for the rows that the pooling reads: [R, E] and the rows of each sequence."""
    offsets = np.asarray(batch.cumulative_lengths, dtype=np.int64)
    spans = Spans(offsets[:-1], offsets[1:])
    read = trimmed_to_pooling(spans, spans.lengths, model.rules)
    rows = read.rows()
    chosen = None if len(rows) == batch.token_count else torch.from_numpy(rows).to(batch.input_ids.device)
    return encoder(batch, rows=chosen), tuple(read.lengths.tolist())


def _chunks(sequences: Sequence[TokenIds]) -> list[list[TokenIds]]:
    """Neighbouring sequences in chunks of about LABEL_BATCH_TOKENS."""
    ends = accumulate(len(sequence) for sequence in sequences)
    chunks: dict[int, list[TokenIds]] = {}
    for sequence, end in zip(sequences, ends, strict=True):
        chunks.setdefault(end // LABEL_BATCH_TOKENS, []).append(sequence)
    return list(chunks.values())
