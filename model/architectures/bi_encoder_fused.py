"""bi-encoder-fused: label vectors from a label tower take the place of the markers in the text's sequence."""

from collections.abc import Sequence
from typing import ClassVar, cast

import numpy as np
import torch

from model.architectures import Tokenizers, require_columns
from model.architectures.bi_encoder import BiEncoder, label_sequences
from model.encoders import PackedEncoder
from model.head import Scores
from model.label_set import LabelSet
from model.packing import PackedBatch
from model.prompt import Prompt, TextPass, TextSlot, examples_piece, require_room
from model.readout import Spans, select_rows, trimmed_to_pooling
from model.scorers.groups import LabelGroups
from model.tokenizer import LABEL_MARKER, NOTHING, SEPARATOR_MARKER


class BiEncoderFused(BiEncoder):
    """One sequence for each pair of text and label set, with one marker per label.

    Class features are the text tower's outputs at the markers, not projected again. The label tower runs once per
    label set; the reference runs it for every text. Poolings other than "first" differ from the reference's in a
    padded batch, as in `BiEncoder`.
    """

    markers: ClassVar[tuple[str, ...]] = (LABEL_MARKER, SEPARATOR_MARKER)

    def prompt(self, label_set: LabelSet, tokenizers: Tokenizers) -> Prompt:
        """Prompt, a space, markers, separator, text, examples; or the text first where `prompt_first` is off.

        A text that is too long loses its end, and with `prompt_first` the examples before it. Without `prompt_first`
        only the text is cut, where the reference lets it push the markers out and then fails.
        """
        tokenizer = tokenizers.text
        instruction = f"{label_set.prompt} " if label_set.prompt else ""
        markers = np.tile(tokenizer.encode("", marker=LABEL_MARKER), len(label_set.labels))
        examples = examples_piece(label_set, tokenizer)
        if self.config.prompt_first:
            before = np.concatenate([tokenizer.encode(instruction), markers]) if instruction else markers
            slot, after = TextSlot(marker=SEPARATOR_MARKER), examples
        else:
            separator = tokenizer.encode("", marker=SEPARATOR_MARKER)
            before, slot = NOTHING, TextSlot(suffix=instruction)
            after = np.concatenate([markers, separator, examples])
        prompt = Prompt(
            label_count=len(label_set.labels),
            key=label_set.key,
            before=before,
            after=after,
            slot=slot,
            cuts_after=self.config.prompt_first,
            labels=label_sequences(label_set, tokenizers),
        )
        require_room(prompt, tokenizer, tokenizers.max_tokens)
        return prompt

    def forward(self, passes: Sequence[TextPass]) -> Scores:
        """Logits of every pass; see `Architecture`."""
        batch = PackedBatch.pack([text_pass.token_ids for text_pass in passes], self.logit_scale.device)
        input_ids = np.concatenate([text_pass.token_ids for text_pass in passes])
        offsets = np.asarray(batch.cumulative_lengths, dtype=np.int64)
        markers = np.flatnonzero(input_ids == self.config.class_token_index)
        counts = require_columns(passes, np.diff(np.searchsorted(markers, offsets)).tolist())
        vectors = torch.cat(self._vectors(passes))
        encoder = cast(PackedEncoder, self.encoder_model)
        words = encoder.get_input_embeddings()(batch.input_ids)
        fused = words.index_copy(0, torch.from_numpy(markers).to(words.device), vectors.to(words.dtype))

        spans = Spans(offsets[:-1], offsets[1:])
        read = trimmed_to_pooling(spans, spans.lengths, self.rules)
        rows, (text_rows, class_rows) = select_rows(batch.token_count, read.rows(), markers)
        hidden = encoder(
            batch, inputs_embeds=fused, rows=None if rows is None else torch.from_numpy(rows).to(words.device)
        )
        text = self.text_features(hidden[torch.from_numpy(text_rows).to(words.device)], tuple(read.lengths.tolist()))
        classes = hidden[torch.from_numpy(class_rows).to(words.device)]
        return self.score(text, classes, LabelGroups.one_per_text(counts), scaled=True)
