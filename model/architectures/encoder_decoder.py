"""encoder-decoder and encoder-decoder-cls: text and labels on the two sides of a T5."""

from collections.abc import Sequence
from itertools import accumulate
from typing import ClassVar, cast

import numpy as np
import torch
from torch import Tensor

from model.architectures import Tokenizers
from model.configuration import GliclassConfig
from model.encoders.t5 import ENCODER_DECODERS, AnyT5Config, PackedT5EncoderDecoder
from model.errors import CheckpointError, LabelSetError, ModelError
from model.head import ClassificationHead, Scores
from model.label_set import LabelSet
from model.packing import PackedBatch
from model.pooling import pool_classes
from model.prompt import PreparedLabelSet, Prompt, TextPass, TextSlot, examples_piece, require_room
from model.readout import Indices, Spans, class_spans, select_rows, trimmed_to_pooling
from model.scorers.groups import LabelGroups
from model.tokenizer import LABEL_MARKER, SEPARATOR_MARKER, TokenIds


class _T5Classifier(ClassificationHead):
    """What both directions share: the model, the label sequence and the text sequence.

    The reference always allocates `max_num_classes` (25) label slots here and fails for more labels; any number works
    here. With the hopfield scorer its empty slots take part in the softmax, and so they do here.
    """

    has_label_tower: ClassVar[bool] = False
    markers: ClassVar[tuple[str, ...]] = (LABEL_MARKER, SEPARATOR_MARKER)

    def __init__(self, config: GliclassConfig) -> None:
        super().__init__(config)
        model_type = config.encoder_config.model_type
        if model_type not in ENCODER_DECODERS:
            raise CheckpointError(
                f"encoder_config.model_type {model_type!r} cannot be run as {config.architecture_type}; "
                f"supported: {', '.join(sorted(ENCODER_DECODERS))}"
            )
        self.encoder_decoder_model = PackedT5EncoderDecoder(cast(AnyT5Config, config.encoder_config))

    def _prompt(self, label_set: LabelSet, tokenizers: Tokenizers, *, shares_text: bool) -> Prompt:
        tokenizer = tokenizers.text
        labels = [tokenizer.encode(label, marker=LABEL_MARKER) for label in label_set.shown_labels]
        instruction = tokenizer.encode(label_set.prompt, marker=SEPARATOR_MARKER)
        sequence = tokenizer.sequence(*labels, instruction)
        if len(sequence) > tokenizers.max_tokens:
            raise LabelSetError(
                f"labels, descriptions and prompt take {len(sequence)} tokens and the model reads "
                f"{tokenizers.max_tokens}; use fewer or shorter ones"
            )
        examples = examples_piece(label_set, tokenizer)
        prompt = Prompt(
            label_count=len(label_set.labels),
            key=examples.tobytes().hex() if shares_text else label_set.key,
            after=examples,
            slot=TextSlot(),
            cuts_after=True,
            labels=(sequence,),
        )
        require_room(prompt, tokenizer, tokenizers.max_tokens)
        return prompt

    def _class_spans(self, input_ids: Indices, lengths: Sequence[int], label_sets: Sequence[PreparedLabelSet]) -> Spans:
        """The rows of every label in packed label sequences, checked against the labels that were put there."""
        spans, counts = class_spans(input_ids, lengths, self.rules)
        expected = tuple(label_set.prompt.label_count for label_set in label_sets)
        if counts != expected:
            raise ModelError(f"sequences were built for {expected} labels and hold {counts} label markers")
        return spans

    def _pack(self, sequences: Sequence[TokenIds]) -> PackedBatch:
        return PackedBatch.pack(sequences, self.logit_scale.device)

    def _rows(self, rows: Indices | None) -> Tensor | None:
        return None if rows is None else torch.from_numpy(rows).to(self.logit_scale.device)


class EncoderDecoder(_T5Classifier):
    """Text through the encoder; labels through the decoder, which sees them in both directions and reads the text.

    A text is encoded once for all its label sets with the same examples. The reference pools the text without a mask:
    poolings other than "first" and "pass" depend there on the longest text of the batch, here on the text alone.
    """

    def prompt(self, label_set: LabelSet, tokenizers: Tokenizers) -> Prompt:
        """Text and examples to the encoder; labels, separator and prompt to the decoder."""
        return self._prompt(label_set, tokenizers, shares_text=True)

    def label_vectors(self, prompts: Sequence[Prompt]) -> list[Tensor] | None:
        """None: a label's vector depends on the text."""
        return None

    def forward(self, passes: Sequence[TextPass]) -> Scores:
        """Logits of every pass; see `Architecture`."""
        texts = self._pack([text_pass.token_ids for text_pass in passes])
        label_sets = [label_set for text_pass in passes for label_set in text_pass.label_sets]
        owners = [index for index, text_pass in enumerate(passes) for _ in text_pass.label_sets]
        labels = self._pack([label_set.prompt.labels[0] for label_set in label_sets])
        label_ids = np.concatenate([label_set.prompt.labels[0] for label_set in label_sets])

        encoded = self.encoder_decoder_model.encode(texts)
        offsets = np.asarray(texts.cumulative_lengths, dtype=np.int64)
        read_texts = Spans(offsets[owners], offsets[np.add(owners, 1)])
        repeated = encoded if len(owners) == len(passes) else encoded[self._rows(read_texts.rows())]
        repeated_lengths = tuple(accumulate(read_texts.lengths.tolist(), initial=0))

        spans = self._class_spans(label_ids, labels.cumulative_lengths, label_sets)
        rows, (class_rows,) = select_rows(labels.token_count, spans.rows())
        hidden = self.encoder_decoder_model.decode(
            labels, repeated, repeated_lengths, causal=False, rows=self._rows(rows)
        )
        classes = self.class_features(pool_classes(hidden[self._rows(class_rows)], spans.lengths.tolist()))

        whole = Spans(offsets[:-1], offsets[1:])
        pooled = trimmed_to_pooling(whole, whole.lengths, self.rules)
        text_lengths = tuple(pooled.lengths.tolist())
        return self.score(
            self.text_features(encoded[self._rows(pooled.rows())], text_lengths, lstm=True),
            classes,
            LabelGroups(tuple(label_set.prompt.label_count for label_set in label_sets), tuple(owners)),
            scaled=self.config.normalize_features,
            text_lengths=text_lengths,
            minimum_columns=self.config.max_num_classes,
        )


class EncoderDecoderCls(_T5Classifier):
    """Labels through the encoder; text through the causal decoder, whose last state stands for it.

    What the encoder makes of the labels does not depend on the text: it is computed once per label set, where the
    reference computes it for every text. `pooling_strategy` and `use_lstm` have no effect, as in the reference.
    """

    pools_text: ClassVar[bool] = False

    def prompt(self, label_set: LabelSet, tokenizers: Tokenizers) -> Prompt:
        """Labels, separator and prompt to the encoder; text and examples to the decoder."""
        return self._prompt(label_set, tokenizers, shares_text=False)

    def label_vectors(self, prompts: Sequence[Prompt]) -> list[Tensor] | None:
        """The encoder's states of each prompt's label sequence, [tokens, E]: the decoder reads all of them."""
        batch = self._pack([prompt.labels[0] for prompt in prompts])
        return list(self.encoder_decoder_model.encode(batch).split(list(batch.lengths)))

    def forward(self, passes: Sequence[TextPass]) -> Scores:
        """Logits of every pass; see `Architecture`."""
        label_sets = [text_pass.label_sets[0] for text_pass in passes]
        label_ids = [label_set.prompt.labels[0] for label_set in label_sets]
        label_lengths = tuple(accumulate(map(len, label_ids), initial=0))
        states = torch.cat(self._states(label_sets))
        spans = self._class_spans(np.concatenate(label_ids), label_lengths, label_sets)
        classes = self.class_features(pool_classes(states[self._rows(spans.rows())], spans.lengths.tolist()))

        texts = self._pack([text_pass.token_ids for text_pass in passes])
        last_rows = np.asarray(texts.cumulative_lengths[1:], dtype=np.int64) - 1
        hidden = self.encoder_decoder_model.decode(
            texts, states, label_lengths, causal=True, rows=self._rows(last_rows)
        )
        return self.score(
            self.project_text(hidden),
            classes,
            LabelGroups.one_per_text([label_set.prompt.label_count for label_set in label_sets]),
            scaled=self.config.normalize_features,
            minimum_columns=self.config.max_num_classes,
        )

    def _states(self, label_sets: Sequence[PreparedLabelSet]) -> list[Tensor]:
        missing = {item.key: item.prompt for item in label_sets if item.vectors is None}
        computed = dict(zip(missing, self.label_vectors(list(missing.values())) or [], strict=True)) if missing else {}
        return [computed[item.key] if item.vectors is None else item.vectors for item in label_sets]
