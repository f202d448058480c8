"""Low-rank adapters on the encoders, through peft, and back into plain weights in the published format."""

from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from torch import nn

from model.training.errors import TrainingError
from model.training.settings import LoraSettings


def add_lora(model: nn.Module, settings: LoraSettings) -> None:
    """Freeze every encoder of the model and put adapters on all its linear layers; the heads stay trainable.

    Raises:
        TrainingError: the model has no encoder with linear layers.
    """
    targets = [name for name, module in model.named_modules() if isinstance(module, nn.Linear) and in_encoder(name)]
    if not targets:
        raise TrainingError("LoRA: the model has no linear layer inside an encoder")
    heads = [value for name, value in model.named_parameters() if not in_encoder(name)]
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=targets,
    )
    inject_adapter_in_model(config, model)
    for value in heads:
        value.requires_grad_(True)


def merge_lora(model: nn.Module) -> None:
    """Fold every adapter into its weight and put the plain layers back; the state dict has its old names again."""
    for name, module in list(model.named_modules()):
        if isinstance(module, LoraLayer):
            module.merge()
            parent = model.get_submodule(name.rpartition(".")[0])
            setattr(parent, name.rpartition(".")[2], module.get_base_layer())


def in_encoder(name: str) -> bool:
    """Whether a parameter or module belongs to a pretrained encoder rather than to the head."""
    parts = name.split(".")
    return any(
        part in ("encoder_model", "label_encoder", "encoder_decoder_model", "decoder_model") for part in parts[:2]
    )
