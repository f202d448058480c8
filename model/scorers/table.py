"""The published scorer types by name."""

from torch import nn

from model.configuration import GliclassConfig
from model.errors import CheckpointError
from model.scorers.cross_attention import CrossAttentionScorer
from model.scorers.pairwise import HopfieldScorer, MlpScorer, SimpleScorer, WeightedDotScorer

SCORER_TYPES = ("simple", "weighted-dot", "mlp", "hopfield", "cross-attn")


def build_scorer(config: GliclassConfig, *, pools_text: bool = True) -> nn.Module:
    """The scorer that `scorer_type` names, with random weights.

    pools_text: whether the architecture makes its text vector by `pooling_strategy`.

    Raises:
        CheckpointError: an unknown type, or sizes and pooling that the type cannot work with.
    """
    kind, size = config.scorer_type, config.hidden_size
    if kind not in SCORER_TYPES:
        raise CheckpointError(f"scorer_type {kind!r} is unknown; supported: {', '.join(SCORER_TYPES)}")
    if kind != "simple" and size != config.encoder_size:
        raise CheckpointError(
            f"scorer_type {kind!r} needs hidden_size ({size}) equal to the encoder's ({config.encoder_size})"
        )
    if kind == "cross-attn" and not pools_text:
        raise CheckpointError(
            f"scorer_type 'cross-attn' reads the tokens of a text; {config.architecture_type} gives one vector"
        )
    if pools_text and (config.pooling_strategy == "pass") != (kind == "cross-attn"):
        raise CheckpointError(
            f"pooling_strategy {config.pooling_strategy!r} with scorer_type {kind!r}: "
            "'pass' and 'cross-attn' work only with each other"
        )
    if kind == "simple":
        return SimpleScorer()
    if kind == "weighted-dot":
        return WeightedDotScorer(size)
    if kind == "mlp":
        return MlpScorer(size)
    if kind == "hopfield":
        return HopfieldScorer(size)
    if size % config.scorer_num_heads:
        raise CheckpointError(f"scorer_num_heads {config.scorer_num_heads} does not divide hidden_size {size}")
    return CrossAttentionScorer(
        size, config.scorer_num_heads, config.scorer_attn_dropout, config.scorer_mlp_hidden_size
    )
