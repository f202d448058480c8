"""What every architecture but decoder-kv puts on its encoders: features, scorer and scale.

The parameter names are the published state-dict keys, which stand beside the encoder's; so an architecture extends
this module and adds its encoders.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from model.configuration import GliclassConfig
from model.errors import CheckpointError
from model.pooling import STRATEGIES, pool_text
from model.projectors import FeaturesProjector, PackedLstm, normalise
from model.readout import ReadoutRules
from model.scorers.cross_attention import CrossAttentionScorer
from model.scorers.groups import LabelGroups
from model.scorers.pairwise import HopfieldScorer
from model.scorers.table import build_scorer

CLASS_TOKEN_POOLINGS = ("first", "average")


@dataclass(frozen=True, slots=True)
class Scores:
    """Logits of one batch and the features they were computed from.

    Attributes:
        logits: float32 [C], group after group.
        text: [N, E] text features, or [R, E] rows for the pooling "pass".
        classes: [C, E] class features.
        groups: which labels belong together, and to which text.
    """

    logits: Tensor
    text: Tensor
    classes: Tensor
    groups: LabelGroups


def readout_rules(config: GliclassConfig) -> ReadoutRules:
    """The part of the configuration that decides which rows are read.

    Raises:
        CheckpointError: a pooling that does not exist.
    """
    if config.pooling_strategy not in STRATEGIES:
        raise CheckpointError(
            f"pooling_strategy {config.pooling_strategy!r} is unknown; supported: {', '.join(STRATEGIES)}"
        )
    if config.class_token_pooling not in CLASS_TOKEN_POOLINGS:
        raise CheckpointError(
            f"class_token_pooling {config.class_token_pooling!r} is unknown; "
            f"supported: {', '.join(CLASS_TOKEN_POOLINGS)}"
        )
    return ReadoutRules(
        class_token_index=config.class_token_index,
        text_token_index=config.text_token_index,
        pooling_strategy=config.pooling_strategy,
        class_token_pooling=config.class_token_pooling,
        embed_class_token=config.embed_class_token,
        extract_text_features=config.extract_text_features,
        use_lstm=config.use_lstm,
    )


class ClassificationHead(nn.Module):
    """Projectors, scorer, optional LSTM and the logit scale of a checkpoint."""

    clamped_norm: ClassVar[bool] = True
    """Which of the reference's two normalisations applies; see `normalise`."""
    pools_text: ClassVar[bool] = True
    """Whether the text vector is made by `pooling_strategy`."""

    def __init__(self, config: GliclassConfig) -> None:
        super().__init__()
        self.config = config
        self.rules = readout_rules(config)
        sizes = (config.encoder_size, config.hidden_size, config.projector_hidden_act, config.dropout)
        self.text_projector = FeaturesProjector(*sizes)
        self.classes_projector = FeaturesProjector(*sizes)
        self.scorer = build_scorer(config, pools_text=self.pools_text)
        if config.use_lstm:
            if config.hidden_size != config.encoder_size or config.hidden_size % 2:
                raise CheckpointError(
                    f"use_lstm needs an even hidden_size ({config.hidden_size}) equal to the encoder's "
                    f"({config.encoder_size})"
                )
            self.lstm = PackedLstm(config.hidden_size, config.hidden_size // 2)
        self.dropout = nn.Dropout(config.dropout)
        # A raw factor, not an exponent, in every published architecture.
        self.logit_scale = nn.Parameter(torch.tensor(config.logit_scale_init_value))

    def text_features(
        self, rows: Tensor, lengths: Sequence[int], padded_lengths: Sequence[int] | None = None, *, lstm: bool = False
    ) -> Tensor:
        """Pool and project the packed rows of N texts (see `pool_text`).

        lstm: whether the rows pass the checkpoint's LSTM, if it has one, before they are pooled.
        Returns [N, E]; [R, E] for the pooling "pass".
        """
        if lstm and self.config.use_lstm:
            rows = self.lstm(rows, lengths)
        return self.project_text(pool_text(rows, lengths, self.config.pooling_strategy, padded_lengths))

    def project_text(self, pooled: Tensor) -> Tensor:
        """Project pooled text vectors, [N, E] -> [N, E]."""
        return self._normalised(self.dropout(self.text_projector(pooled)))

    def class_features(self, pooled: Tensor) -> Tensor:
        """Project pooled class vectors, [C, E] -> [C, E]."""
        return self._normalised(self.classes_projector(pooled))

    def score(
        self,
        text: Tensor,
        classes: Tensor,
        groups: LabelGroups,
        *,
        scaled: bool,
        text_lengths: Sequence[int] | None = None,
        minimum_columns: int = 0,
    ) -> Scores:
        """Logits of every label against its text.

        text: as `text_features` returns it; classes: [C, E]; groups: C labels over N texts.
        scaled: whether the logits are multiplied by `logit_scale`.
        text_lengths: rows of each text, needed for the pooling "pass".
        minimum_columns: the label slots that the reference allocates whatever the number of labels. The empty ones
            carry the features of a zero vector and take their share of the hopfield softmax; nothing else sees them.
        """
        if isinstance(self.scorer, CrossAttentionScorer):
            if text_lengths is None:
                raise ValueError("the cross-attention scorer needs text_lengths")
            logits = self.scorer(text, text_lengths, classes, groups)
        elif isinstance(self.scorer, HopfieldScorer) and any(n < minimum_columns for n in groups.label_counts):
            empty = self.class_features(classes.new_zeros(1, self.config.encoder_size))
            filled, filled_groups, own = _with_empty_slots(classes, empty, groups, minimum_columns)
            logits = self.scorer(text, filled, filled_groups)[own]
        else:
            logits = self.scorer(text, classes, groups)
        logits = logits.float()
        if scaled:
            logits = logits * self.logit_scale.float()
        return Scores(logits, text, classes, groups)

    def _normalised(self, features: Tensor) -> Tensor:
        return normalise(features, clamped=self.clamped_norm) if self.config.normalize_features else features


def _with_empty_slots(
    classes: Tensor, empty: Tensor, groups: LabelGroups, minimum_columns: int
) -> tuple[Tensor, LabelGroups, Tensor]:
    """Fill each group up to `minimum_columns` rows with `empty` [1, E]; also the indices of the own rows."""
    parts, own, total = [], [], 0
    for rows in classes.split(list(groups.label_counts)):
        missing = max(0, minimum_columns - len(rows))
        parts += [rows, empty.expand(missing, -1)]
        own.append(torch.arange(total, total + len(rows), device=classes.device))
        total += len(rows) + missing
    counts = tuple(max(count, minimum_columns) for count in groups.label_counts)
    return torch.cat(parts), LabelGroups(counts, groups.text_indices), torch.cat(own)
