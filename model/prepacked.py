"""Linear layers whose weights lie in the order that the CPU's matrix kernel reads them, for inference only.

oneDNN reorders a weight at every call unless it is given one that is reordered already; it also adds a residual and
applies an activation while a result is still in cache.
"""

import os

import torch
from torch import Tensor, nn

# Every number of tokens is a kernel of its own, compiled and kept: with 1,024 of each, as they come, a worker grows by
# 700 MiB in its first minutes. A batch needs a few, all layers the same. Read by the libraries at the first call.
for variable in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"):
    os.environ.setdefault(variable, "64")

FUSED_ACTIVATIONS: dict[str, tuple[str, str]] = {
    "gelu": ("gelu", "none"),
    "gelu_new": ("gelu", "tanh"),
    "gelu_pytorch_tanh": ("gelu", "tanh"),
    "relu": ("relu", ""),
}
"""Activations of transformers that the kernel applies itself."""


class PrepackedLinear(nn.Module):
    """One or several linear layers over the same input, as one; several give their outputs side by side."""

    def __init__(self, *linears: nn.Linear, activation: str | None = None) -> None:
        """activation: one of `FUSED_ACTIVATIONS`, applied to the output."""
        super().__init__()
        weight = torch.cat([linear.weight.detach() for linear in linears]).contiguous()
        self.bias = None if linears[0].bias is None else torch.cat([linear.bias.detach() for linear in linears])
        self.kind, self.variant = FUSED_ACTIVATIONS[activation] if activation else ("none", "")
        self._packed = torch.ops.mkldnn._reorder_linear_weight(weight, None)
        # transformers' T5 asks the layer for the dtype of its weight.
        self.weight = torch.empty(0, dtype=weight.dtype)

    def forward(self, states: Tensor) -> Tensor:
        """[..., in] -> [..., out]."""
        return torch.ops.mkldnn._linear_pointwise(states, self._packed, self.bias, self.kind, [], self.variant)

    def plus(self, states: Tensor, residual: Tensor) -> Tensor:
        """`forward`, with `residual` [..., out] added; no activation."""
        return torch.ops.mkldnn._linear_pointwise.binary(states, residual, self._packed, self.bias, "add")


def can_prepack(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether this build of torch has the kernels for the device and dtype."""
    if device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    if not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return False
    return dtype == torch.float32 or (dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported())


def prepack(module: nn.Module) -> None:
    """Replace every linear layer inside `module`; parts with a `fuse` method replace their own first."""
    for part in list(module.modules()):
        fuse = getattr(part, "fuse", None)
        if fuse is not None:
            fuse()
    for part in list(module.modules()):
        for name, child in list(part.named_children()):
            if type(child) is nn.Linear:
                setattr(part, name, PrepackedLinear(child))
