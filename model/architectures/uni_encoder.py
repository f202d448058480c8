"""uni-encoder: labels, prompt, text and examples in one sequence through one encoder."""

from collections.abc import Sequence
from typing import ClassVar, cast

import numpy as np
import torch
from torch import Tensor, nn

from model.architectures import Tokenizers, require_columns
from model.configuration import GliclassConfig
from model.encoders import PackedEncoder, build_encoder
from model.head import ClassificationHead, Scores
from model.label_set import LabelSet
from model.packing import PackedBatch
from model.pooling import pool_classes
from model.prompt import Prompt, TextPass, TextSlot, examples_piece, require_room
from model.readout import plan_readout, segment_ids
from model.scorers.groups import LabelGroups
from model.tokenizer import LABEL_MARKER, NOTHING, SEPARATOR_MARKER


class UniEncoder(ClassificationHead):
    """One sequence for each pair of text and label set; labels see each other and the text."""

    has_label_tower: ClassVar[bool] = False
    markers: ClassVar[tuple[str, ...]] = (LABEL_MARKER, SEPARATOR_MARKER)
    clamped_norm: ClassVar[bool] = False

    def __init__(self, config: GliclassConfig) -> None:
        super().__init__(config)
        self.encoder_model = build_encoder(config.encoder_config)
        if config.use_segment_embeddings:
            self.segment_embeddings = nn.Embedding(3, config.encoder_size)
            nn.init.normal_(self.segment_embeddings.weight, std=config.initializer_range)

    def prompt(self, label_set: LabelSet, tokenizers: Tokenizers) -> Prompt:
        """Labels, separator, prompt, text, examples; or the text before the labels where `prompt_first` is off.

        A text that is too long loses its end. With `prompt_first` the examples, which come last, go first, as in the
        reference; without it the reference lets a long text push the labels out, and here only the text is cut.
        """
        tokenizer = tokenizers.text
        labels = np.concatenate([tokenizer.encode(label, marker=LABEL_MARKER) for label in label_set.shown_labels])
        examples = examples_piece(label_set, tokenizer)
        if self.config.prompt_first:
            before, slot, after = labels, TextSlot(marker=SEPARATOR_MARKER, prefix=label_set.prompt), examples
        else:
            instruction = tokenizer.encode(label_set.prompt, marker=SEPARATOR_MARKER)
            before, slot, after = NOTHING, TextSlot(), np.concatenate([labels, instruction, examples])
        prompt = Prompt(
            label_count=len(label_set.labels),
            key=label_set.key,
            before=before,
            after=after,
            slot=slot,
            cuts_after=self.config.prompt_first,
        )
        require_room(prompt, tokenizer, tokenizers.max_tokens)
        return prompt

    def label_vectors(self, prompts: Sequence[Prompt]) -> list[Tensor] | None:
        """None: a label's vector depends on the text."""
        return None

    def forward(self, passes: Sequence[TextPass]) -> Scores:
        """Logits of every pass; see `Architecture`."""
        input_ids = np.concatenate([text_pass.token_ids for text_pass in passes])
        batch = PackedBatch.pack([text_pass.token_ids for text_pass in passes], self.logit_scale.device)
        readout = plan_readout(input_ids, batch.cumulative_lengths, self.rules)
        hidden = self.encoder_model(
            batch,
            inputs_embeds=self._segment_embeds(input_ids, batch) if self.config.use_segment_embeddings else None,
            rows=None if readout.rows is None else torch.from_numpy(readout.rows).to(batch.input_ids.device),
        )
        text = self.text_features(
            _take(hidden, readout.text_rows), readout.text_lengths, readout.text_padded_lengths, lstm=True
        )
        classes = self.class_features(pool_classes(_take(hidden, readout.class_rows), readout.class_lengths))
        return self.score(
            text,
            classes,
            LabelGroups.one_per_text(require_columns(passes, readout.label_counts)),
            scaled=self.config.normalize_features,
            text_lengths=readout.text_lengths,
            minimum_columns=_allocated_columns(self.config),
        )

    def _segment_embeds(self, input_ids: np.ndarray, batch: PackedBatch) -> Tensor:
        segments = segment_ids(
            input_ids,
            batch.cumulative_lengths,
            text_token_index=self.config.text_token_index,
            example_token_index=self.config.example_token_index,
        )
        words = cast(PackedEncoder, self.encoder_model).get_input_embeddings()(batch.input_ids)
        return words + self.segment_embeddings(torch.from_numpy(segments).to(words.device))


def _take(hidden: Tensor, rows: np.ndarray) -> Tensor:
    return hidden.index_select(0, torch.from_numpy(rows).to(hidden.device))


def _allocated_columns(config: GliclassConfig) -> int:
    """Label slots that the reference's pipeline allocates whatever the number of labels."""
    if config.max_labels_alloc == "dynamic":
        return 0
    return config.max_labels_alloc if isinstance(config.max_labels_alloc, int) else config.max_num_classes
