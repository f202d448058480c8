"""config.json of a checkpoint: every published field, with the defaults of the reference.

Old checkpoints lack most of the fields and carry some that were removed; missing ones take their default and unknown
ones are kept and written back, so that a saved checkpoint still says all that the loaded one said.
"""

import json
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from transformers import CONFIG_MAPPING, PreTrainedConfig

from model.errors import CheckpointError

CONFIG_FILE = "config.json"
MODEL_TYPE = "GLiClass"
LLM2VEC_MODEL_TYPES = ("gemma", "llama", "mistral", "qwen2")
DEFAULT_MODEL_TYPE = "deberta-v2"
LOOSE_FIELDS = ("max_labels_alloc",)
"""A word or a number."""


@dataclass(slots=True)
class GliclassConfig:
    """Fields as in config.json; see the reference's `GLiClassModelConfig` for what each does in training.

    `hidden_size`, `vocab_size` and the three token indices are resolved (never None or -1) once the object exists.
    `extra` holds the fields that this package does not read.
    """

    encoder_config: PreTrainedConfig
    encoder_model_name: str | None = None
    label_model_config: PreTrainedConfig | None = None
    label_model_name: str | None = None
    class_token_index: int = -1
    text_token_index: int = -1
    example_token_index: int = -1
    sep_token_index: int | None = None
    ignore_index: int = -100
    hidden_size: int = 0
    projector_hidden_act: str = "gelu"
    vocab_size: int = 0
    problem_type: str | None = "single_label_classification"
    max_num_classes: int = 25
    use_lstm: bool = False
    initializer_range: float = 0.03
    scorer_type: str = "simple"
    scorer_num_heads: int = 16
    scorer_mlp_hidden_size: int = 1024
    scorer_attn_dropout: float = 0.1
    pooling_strategy: str = "first"
    class_token_pooling: str = "first"
    focal_loss_alpha: float = 0.5
    focal_loss_gamma: float = 2.0
    focal_loss_reduction: str | None = None
    logit_scale_init_value: float = 2.6592
    normalize_features: bool = False
    extract_text_features: bool = False
    max_labels_alloc: str | int = "dynamic"
    contrastive_loss_coef: float = 0.0
    architecture_type: str = "uni-encoder"
    prompt_first: bool = False
    squeeze_layers: bool = False
    layer_wise: bool = False
    encoder_layer_id: int = -1
    embed_class_token: bool = True
    dropout: float = 0.1
    use_segment_embeddings: bool = False
    scorer_encoder_num_layers: int = 2
    scorer_full_sequence: bool = False
    recurrent_steps: int = 1
    recurrent_min_steps: int = 1
    recurrent_inference: bool = True
    recurrent_inference_max_steps: int | None = None
    recurrent_halt_threshold: float | None = 0.01
    recurrent_improvement_coef: float = 0.1
    recurrent_improvement_margin: float = 0.05
    recurrent_bptt_steps: int | None = None
    recurrent_read_text: bool = False
    recurrent_confidence_coef: float = 0.0
    recurrent_confidence_mode: str = "relative"
    recurrent_confidence_margin: float = 0.0
    use_calibrator: bool = False
    calibrator_hidden_size: int = 256
    calibrator_beta_max: float = 3.0
    calibrator_dropout: float = 0.1
    calibrator_use_bias: bool = False
    multimodal: bool = False
    freeze_media_encoders: bool = True
    use_embedding_projection: bool | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        text_config = self.encoder_config.get_text_config()
        self.hidden_size = self.hidden_size or text_config.hidden_size
        self.vocab_size = self.vocab_size or text_config.vocab_size
        for offset, name in enumerate(("class_token_index", "text_token_index", "example_token_index")):
            if getattr(self, name) == -1:
                setattr(self, name, self.vocab_size + offset)
        # The encoder's embedding table was resized to the markers when they were added to the tokenizer; older
        # checkpoints record that in the outer vocab_size only.
        text_config.vocab_size = self.vocab_size

    @property
    def encoder_size(self) -> int:
        """Width E of the text encoder's hidden states."""
        return self.encoder_config.get_text_config().hidden_size

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "GliclassConfig":
        """Read the parsed config.json.

        Raises:
            CheckpointError: a field that cannot be read or a model that cannot be run, by name.
        """
        known = {item.name for item in fields(cls)} - {"extra"}
        given = {name: value for name, value in values.items() if name in known and value is not None}
        given["encoder_config"] = _inner_config("encoder_config", values.get("encoder_config"))
        given.pop("label_model_config", None)
        if values.get("label_model_name") is not None:
            given["label_model_config"] = _inner_config("label_model_config", values.get("label_model_config"))
        if "recurrent_halt_threshold" in values and values["recurrent_halt_threshold"] is None:
            given["recurrent_halt_threshold"] = None
        _require_types(given)
        config = cls(**given, extra={name: value for name, value in values.items() if name not in known})
        refuse_unsupported(config)
        return config

    @classmethod
    def read(cls, folder: Path) -> "GliclassConfig":
        """Read `folder`/config.json."""
        path = folder / CONFIG_FILE
        try:
            values = json.loads(path.read_text(encoding="utf-8-sig"))
        except FileNotFoundError:
            raise CheckpointError(
                f"{path}: no such file; a checkpoint folder holds config.json, tokenizer files and model.safetensors"
            ) from None
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{path}: cannot be read as JSON: {error}") from error
        if not isinstance(values, dict) or values.get("model_type") != MODEL_TYPE:
            found = values.get("model_type") if isinstance(values, dict) else type(values).__name__
            raise CheckpointError(f"{path}: model_type is {found!r}, not {MODEL_TYPE!r}; give a GLiClass checkpoint")
        try:
            return cls.from_dict(values)
        except CheckpointError as error:
            raise CheckpointError(f"{path}: {error}") from error

    def to_dict(self) -> dict[str, Any]:
        """The content of config.json; the reference package reads it too."""
        values = {item.name: getattr(self, item.name) for item in fields(self) if item.name != "extra"}
        values["encoder_config"] = self.encoder_config.to_dict()
        if self.label_model_config is not None:
            values["label_model_config"] = self.label_model_config.to_dict()
        if self.sep_token_index is None:
            del values["sep_token_index"]
        values |= self.extra
        values |= {"model_type": MODEL_TYPE, "architectures": ["GLiClassModel"]}
        return values


def refuse_unsupported(config: GliclassConfig) -> None:
    """Raise CheckpointError for what the published format can say and no code computes correctly."""
    inner = config.encoder_config.model_type
    if inner in LLM2VEC_MODEL_TYPES:
        raise CheckpointError(
            f"encoder_config.model_type {inner!r}: LLM2Vec backbones need bidirectional attention patches that the "
            "reference applies only when the llm2vec package is installed, and silently skips otherwise; use a "
            "checkpoint with an encoder backbone"
        )
    if config.squeeze_layers:
        raise CheckpointError(
            "squeeze_layers: layer-wise checkpoints (-lw) crash in the reference (their attention is built for K "
            "layers and fed K + 1), so there is nothing to be equal to; use the checkpoint without -lw"
        )
    if config.multimodal:
        raise CheckpointError("multimodal: images and audio are not supported; use a text-only checkpoint")
    if config.encoder_layer_id != -1:
        raise CheckpointError(
            f"encoder_layer_id {config.encoder_layer_id}: reading an inner layer is not supported; use -1"
        )


def _inner_config(name: str, values: Any) -> PreTrainedConfig:
    if values is None:
        return CONFIG_MAPPING[DEFAULT_MODEL_TYPE]()
    if not isinstance(values, dict):
        raise CheckpointError(f"{name} is {type(values).__name__}, not an object")
    model_type = values.get("model_type", DEFAULT_MODEL_TYPE)
    if model_type not in CONFIG_MAPPING:
        raise CheckpointError(f"{name}.model_type {model_type!r} is unknown to the installed transformers; upgrade it")
    try:
        return CONFIG_MAPPING[model_type](**{key: value for key, value in values.items() if key != "model_type"})
    except Exception as error:  # transformers raises whatever its checks raise
        raise CheckpointError(f"{name} is not a {model_type} config: {error}") from error


def _require_types(values: dict[str, Any]) -> None:
    """Each value has the type of its field's default; a whole number will do for a float."""
    for item in fields(GliclassConfig):
        kind, value = type(item.default), values.get(item.name)
        if value is None or kind not in (bool, int, float, str) or item.name in LOOSE_FIELDS:
            continue
        if type(value) is not kind and not (kind is float and type(value) is int):
            raise CheckpointError(f"{item.name} is {value!r}; it must be of type {kind.__name__}")
