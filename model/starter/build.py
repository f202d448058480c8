"""From the towers and the space to a checkpoint folder."""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import BertConfig

from model.calibrator import LOGIT_FEATURES
from model.checkpoint import LABEL_TOKENIZER_FOLDER, WEIGHTS_FILE, save_weights
from model.configuration import CONFIG_FILE, GliclassConfig
from model.gliclass import GliclassModel
from model.projectors import BiEncoderProjector, FeaturesProjector
from model.starter.space import Space
from model.starter.towers import Tower

TOKENIZER_CONFIG = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "model_max_length": 512,
    "unk_token": "[UNK]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "cls_token": "[CLS]",
    "mask_token": "[MASK]",
}
NOTICE = "Both towers hold the weights of BAAI/bge-small-en-v1.5, published under the MIT licence.\n"


def write_checkpoint(folder: Path, tower: Tower, space: Space, *, final_folder: Path | None = None) -> None:
    """Write a bi-encoder of the tower (twice) and the space into `folder`.

    final_folder: where the folder will lie in the end, if not here; the reference package finds the label tokenizer
        by its absolute path.
    """
    labels = (final_folder or folder).resolve() / LABEL_TOKENIZER_FOLDER
    config = _config(tower.config, space, str(labels))
    model = GliclassModel(config)
    _fill(model, tower, space)
    for place in (folder, folder / LABEL_TOKENIZER_FOLDER):
        place.mkdir(parents=True, exist_ok=True)
        (place / "tokenizer.json").write_bytes(tower.tokenizer)
        (place / "tokenizer_config.json").write_text(json.dumps(TOKENIZER_CONFIG, indent=2) + "\n", encoding="utf-8")
    (folder / CONFIG_FILE).write_text(json.dumps(config.to_dict(), indent=2, sort_keys=True) + "\n", encoding="utf-8")
    (folder / "NOTICE").write_text(NOTICE, encoding="utf-8")
    save_weights(model, folder / WEIGHTS_FILE)


def _config(tower: BertConfig, space: Space, label_tokenizer: str) -> GliclassConfig:
    return GliclassConfig(
        encoder_config=BertConfig(**tower.to_dict()),
        encoder_model_name="bge-small-en-v1.5",
        label_model_config=BertConfig(**tower.to_dict()),
        label_model_name=label_tokenizer,
        architecture_type="bi-encoder",
        hidden_size=2 * tower.hidden_size,
        normalize_features=True,
        logit_scale_init_value=space.scale,
        problem_type="multi_label_classification",
        **_calibrator_fields(space),
    )


def _calibrator_fields(space: Space) -> dict[str, Any]:
    if not space.calibrator:
        return {}
    return {
        "use_calibrator": True,
        "calibrator_hidden_size": len(space.calibrator["mlp.0.bias"]),
        "calibrator_beta_max": float(space.calibrator["beta_max"]),
        "calibrator_use_bias": True,
    }


@torch.no_grad()
def _fill(model: GliclassModel, tower: Tower, space: Space) -> None:
    parts = dict(model.model.named_children())
    parts["encoder_model"].load_state_dict(tower.weights)
    parts["label_encoder"].load_state_dict(space.changed_tower(tower.weights))
    identity = torch.eye(tower.config.hidden_size)
    _make_linear(parts["text_projector"], identity / space.norm, space.text_shift)
    _make_linear(parts["biencoder_projector"], space.label_weight / space.norm, space.label_shift)
    _make_linear(parts["classes_projector"], identity, torch.zeros_like(space.label_shift))
    model.get_parameter("model.logit_scale").fill_(space.scale)
    if model.calibrator is not None:
        _fill_calibrator(model.calibrator, space)


def _fill_calibrator(calibrator: nn.Module, space: Space) -> None:
    """The columns of the first layer that read text and label features stay zero."""
    for name, parameter in calibrator.named_parameters():
        if name == "mlp.0.weight":
            parameter.zero_()
            parameter[:, -LOGIT_FEATURES:] = space.calibrator[name]
        elif name.startswith("mlp."):
            parameter.copy_(space.calibrator[name])


def _make_linear(projector: nn.Module, weight: Tensor, bias: Tensor) -> None:
    """Make a projector compute `weight x + bias` through its activation: GELU(z) - GELU(-z) is z."""
    assert isinstance(projector, FeaturesProjector | BiEncoderProjector)
    identity = torch.eye(len(bias))
    projector.linear_1.weight.copy_(torch.cat([weight, -weight]))
    projector.linear_1.bias.copy_(torch.cat([bias, -bias]))
    projector.linear_2.weight.copy_(torch.cat([identity, -identity], dim=1))
    projector.linear_2.bias.zero_()
