"""The encoder families: which class runs which transformers model type.

Every family is one module with one class, built from the transformers config and holding its weights under the names
that transformers gives them, so that published state dicts load unchanged. Adding a family touches one file and the
table below.
"""

from importlib import import_module
from typing import Protocol, cast

from torch import Tensor, nn
from transformers import PreTrainedConfig

from model.errors import CheckpointError
from model.packing import PackedBatch

FAMILIES: dict[str, str] = {
    "bert": "model.encoders.bert:PackedBert",
    "camembert": "model.encoders.bert:PackedBert",
    "electra": "model.encoders.bert:PackedBert",
    "roberta": "model.encoders.bert:PackedBert",
    "xlm-roberta": "model.encoders.bert:PackedBert",
    "deberta-v2": "model.encoders.deberta:PackedDeberta",
    "modernbert": "model.encoders.modernbert:PackedModernBert",
    "t5": "model.encoders.t5:PackedT5Encoder",
    "mt5": "model.encoders.t5:PackedT5Encoder",
    "umt5": "model.encoders.t5:PackedT5Encoder",
}


class PackedEncoder(Protocol):
    """An encoder that runs a packed batch; also an `nn.Module`, differentiable, in float32 or bfloat16."""

    config: PreTrainedConfig

    def get_input_embeddings(self) -> nn.Embedding:
        """The word embedding table, [vocabulary, H]."""
        ...

    def __call__(
        self,
        batch: PackedBatch,
        *,
        inputs_embeds: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        rows: Tensor | None = None,
    ) -> Tensor:
        """Hidden states of the last layer.

        Args:
            batch: T tokens; `batch.input_ids` is not read when `inputs_embeds` is given.
            inputs_embeds: [T, H], used in place of the word embeddings.
            token_type_ids: int64 [T]; families without token types refuse it.
            rows: int64 [R], never decreasing: the only rows that leave the last layer. None for all.

        Returns:
            [T, H], or [R, H].
        """
        ...


def build_encoder(config: PreTrainedConfig) -> nn.Module:
    """The packed encoder for a transformers config, with random weights; it satisfies `PackedEncoder`.

    Raises:
        CheckpointError: the model type is not among `FAMILIES`.
    """
    if config.model_type not in FAMILIES:
        known = ", ".join(sorted(FAMILIES))
        raise CheckpointError(
            f"config.json: encoder_config.model_type {config.model_type!r} cannot be run; supported: {known}"
        )
    module_name, class_name = FAMILIES[config.model_type].split(":")
    return cast(nn.Module, getattr(import_module(module_name), class_name)(config))


def position_limit(config: PreTrainedConfig) -> int | None:
    """Longest sequence that an encoder has positions for; None where positions are relative."""
    if config.model_type in ("bert", "electra"):
        return config.max_position_embeddings
    if config.model_type in ("camembert", "roberta", "xlm-roberta"):
        return config.max_position_embeddings - (config.pad_token_id or 0) - 1
    if config.model_type == "deberta-v2" and config.position_biased_input:
        return config.max_position_embeddings
    return None
