"""The space that text and label vectors share, and the file that holds it.

logit = scale * cos(x / norm + text_shift, label_weight (l / norm) + label_shift)

for raw vectors x of a text and l of a label. The label-free start has no training behind it: both clouds are moved
most of the way to their middle, and apart along the direction in which neither varies, so that an unrelated pair
scores below zero. A trained file has the same fields, a `label_weight`, and low-rank changes of the label tower.
"""

from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from model.errors import ModelError
from model.files import write_safetensors

CENTRING = 0.75
OFFSET = 0.35
SCALE = 20.0
LORA_DOWN, LORA_UP = ".lora_down", ".lora_up"
CALIBRATOR = "calibrator."


@dataclass(frozen=True, slots=True)
class Space:
    """Where texts and labels meet; H is the width of a raw vector.

    Attributes:
        norm: mean length of a raw vector.
        text_shift: float32 [H], added to every text vector.
        label_weight: float32 [H, H], applied to every label vector.
        label_shift: float32 [H], added to every label vector.
        scale: factor on the cosine.
        tower_changes: for linear layers of the label tower, by the name of their weight: the factors (up [out, r],
            down [r, in]) of what is added to it.
        calibrator: empty, or `beta_max` and the layers `mlp.*` of a calibrator that reads nothing but the statistics of
            a label set's logits: its first layer holds the columns of those.
    """

    norm: float
    text_shift: Tensor
    label_weight: Tensor
    label_shift: Tensor
    scale: float
    tower_changes: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict)
    calibrator: dict[str, Tensor] = field(default_factory=dict)

    @classmethod
    def label_free(cls, texts: Tensor, words: Tensor) -> "Space":
        """From raw vectors [n, H] of generic texts and of single words."""
        norm = float(torch.cat([texts, words]).norm(dim=1).mean())
        text_mean, word_mean = (texts / norm).mean(0), (words / norm).mean(0)
        spread = torch.cat([texts / norm - text_mean, words / norm - word_mean]).T.cov()
        quietest = torch.linalg.eigh(spread).eigenvectors[:, 0]
        return cls(
            norm=norm,
            text_shift=-CENTRING * text_mean + OFFSET * quietest,
            label_weight=torch.eye(len(quietest)),
            label_shift=-CENTRING * word_mean - OFFSET * quietest,
            scale=SCALE,
        )

    @classmethod
    def read(cls, path: Path) -> "Space":
        """Read a safetensors file with the tensors `norm`, `text_shift`, `label_weight` (identity if absent),
        `label_shift`, `scale`, and for each changed layer of the label tower `<weight>.lora_up` and
        `<weight>.lora_down`, any scaling already in them; and `calibrator.*` if there is one.

        Raises:
            ModelError: a tensor is missing.
        """
        tensors = {name: tensor.float() for name, tensor in load_file(path).items()}
        try:
            shift = tensors["label_shift"]
            return cls(
                norm=float(tensors["norm"]),
                text_shift=tensors["text_shift"],
                label_weight=tensors.get("label_weight", torch.eye(len(shift))),
                label_shift=shift,
                scale=float(tensors["scale"]),
                tower_changes={
                    name.removesuffix(LORA_UP): (up, tensors[name.removesuffix(LORA_UP) + LORA_DOWN])
                    for name, up in tensors.items()
                    if name.endswith(LORA_UP)
                },
                calibrator={
                    name.removeprefix(CALIBRATOR): tensor
                    for name, tensor in tensors.items()
                    if name.startswith(CALIBRATOR)
                },
            )
        except KeyError as error:
            raise ModelError(f"{path}: no tensor named {error}") from error

    def write(self, path: Path) -> None:
        """Write what `read` reads; low-rank factors as float16."""
        tensors = {
            "norm": torch.tensor(self.norm),
            "text_shift": self.text_shift,
            "label_shift": self.label_shift,
            "scale": torch.tensor(self.scale),
        }
        if not torch.equal(self.label_weight, torch.eye(len(self.label_shift))):
            tensors["label_weight"] = self.label_weight
        for name, (up, down) in self.tower_changes.items():
            tensors |= {name + LORA_UP: up.half(), name + LORA_DOWN: down.half()}
        tensors |= {CALIBRATOR + name: tensor for name, tensor in self.calibrator.items()}
        write_safetensors(path, tensors)

    def changed_tower(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """The label tower's weights with the low-rank changes in them."""
        changes = {name: weights[name] + up @ down for name, (up, down) in self.tower_changes.items()}
        return weights | changes
