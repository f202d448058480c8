"""decoder-kv: context and labels through one causal decoder, and a bidirectional scorer over the label section."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from transformers import Qwen3Config

from model.architectures import Tokenizers, require_columns
from model.configuration import GliclassConfig
from model.encoders.qwen3 import PackedQwen3
from model.errors import CheckpointError
from model.head import Scores
from model.label_sections import find_label_sections
from model.label_set import LabelSet
from model.packing import PackedBatch
from model.prompt import Prompt, TextPass, TextSlot, examples_piece, require_room
from model.readout import Spans, select_rows
from model.scorers.decoder_kv import DecoderKvScorer, DecoderScores
from model.scorers.groups import LabelGroups
from model.scorers.recurrent import Recurrence
from model.tokenizer import LABEL_MARKER, NOTHING, SEPARATOR_MARKER


class DecoderKv(nn.Module):
    """One sequence for each pair of text and label set; the text comes first and cannot see the labels.

    Only Qwen3 is run. The streaming use of a key-value cache across calls is not implemented: each text is read whole.
    """

    has_label_tower: ClassVar[bool] = False
    markers: ClassVar[tuple[str, ...]] = (LABEL_MARKER, SEPARATOR_MARKER)

    def __init__(self, config: GliclassConfig) -> None:
        super().__init__()
        self.config = config
        decoder_config = config.encoder_config
        if not isinstance(decoder_config, Qwen3Config):
            raise CheckpointError(
                f"encoder_config.model_type {decoder_config.model_type!r}: a decoder-kv is run on qwen3 only"
            )
        if config.sep_token_index is None:
            raise CheckpointError(f"sep_token_index is missing: a decoder-kv needs the id of {SEPARATOR_MARKER}")
        if config.hidden_size != config.encoder_size:
            raise CheckpointError(
                f"a decoder-kv needs hidden_size ({config.hidden_size}) equal to the decoder's ({config.encoder_size})"
            )
        self.sep_token_index = config.sep_token_index
        self.decoder_model = PackedQwen3(decoder_config)
        self.scorer = DecoderKvScorer(config)

    def prompt(self, label_set: LabelSet, tokenizers: Tokenizers) -> Prompt:
        """Prompt, examples, text; then separator, each label before its marker, and a separator. No special tokens.

        A text that is too long loses its end; labels, examples and prompt are never cut. (The reference cuts examples
        and prompt too once the text is gone, and lets many labels exceed the window.)
        """
        tokenizer = tokenizers.text
        examples = examples_piece(label_set, tokenizer)
        if len(examples):
            # The separator that ends the examples begins the text's piece.
            instruction = tokenizer.encode(label_set.prompt) if label_set.prompt else NOTHING
            before = np.concatenate([instruction, examples[:-1]])
            slot = TextSlot(marker=SEPARATOR_MARKER)
        else:
            before, slot = NOTHING, TextSlot(prefix=label_set.prompt)
        first, *others = label_set.shown_labels
        pieces = [tokenizer.encode(first, marker=SEPARATOR_MARKER)]
        pieces += [tokenizer.encode(label, marker=LABEL_MARKER) for label in others]
        pieces += [tokenizer.encode("", marker=marker) for marker in (LABEL_MARKER, SEPARATOR_MARKER)]
        prompt = Prompt(
            label_count=len(label_set.labels),
            key=label_set.key,
            before=before,
            after=np.concatenate(pieces),
            slot=slot,
            specials=False,
        )
        require_room(prompt, tokenizer, tokenizers.max_tokens)
        return prompt

    def label_vectors(self, prompts: Sequence[Prompt]) -> list[Tensor] | None:
        """None: a label's vector depends on the text."""
        return None

    def forward(self, passes: Sequence[TextPass]) -> Scores:
        """Logits of every pass after the last step; see `Architecture`."""
        scores, groups = self.steps(passes)
        return Scores(scores.steps[-1].float(), scores.text, scores.classes, groups)

    def steps(self, passes: Sequence[TextPass]) -> tuple[DecoderScores, LabelGroups]:
        """Logits after every step of the recurrence, for losses over all of them."""
        input_ids = np.concatenate([text_pass.token_ids for text_pass in passes])
        device = self.decoder_model.get_input_embeddings().weight.device
        batch = PackedBatch.pack([text_pass.token_ids for text_pass in passes], device)
        spans, sections = find_label_sections(
            input_ids,
            batch.cumulative_lengths,
            class_token_index=self.config.class_token_index,
            sep_token_index=self.sep_token_index,
        )
        counts = require_columns(passes, sections.label_counts)
        recurrence = Recurrence.resolve(self.config, training=self.training)
        contexts = Spans(np.asarray(batch.cumulative_lengths[:-1], dtype=np.int64), spans.starts)
        reads_text = self.scorer.reads_text and recurrence.steps > 1
        wanted = [spans.rows(), contexts.rows()] if reads_text else [spans.rows()]
        rows, found = select_rows(batch.token_count, *wanted)
        hidden = self.decoder_model(batch, rows=None if rows is None else torch.from_numpy(rows).to(device))
        section_states, *text_states = (hidden[torch.from_numpy(indices).to(device)] for indices in found)
        scores = self.scorer(
            section_states,
            sections,
            recurrence,
            text_states=text_states[0] if reads_text else None,
            text_lengths=contexts.lengths.tolist() if reads_text else None,
        )
        return scores, LabelGroups.one_per_text(counts)
