"""Which device and number format to run in, and how far a format moves the scores of a checkpoint."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from model.errors import ModelError
from model.label_set import LabelSet

DEFAULT_DEVIATION_LIMIT = 0.03
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
NATIVE_BF16_CAPABILITIES = ("avx512_bf16", "amx_bf16", "arm_bf16", "bf16")

CHECK_TEXTS = (
    "ok",
    "The parcel arrived two weeks late and the box was crushed, I want my money back.",
    "Kann ich meine Rechnung auch per Überweisung bezahlen?",
    "You people are useless!!! Nobody answers the phone, I am going to report every single one of you.",
    "Great phone: the screen is bright, the battery lasts two days and it takes sharp pictures at night. " * 6,
)
CHECK_LABEL_SETS = (
    LabelSet(("complaint", "question", "praise")),
    LabelSet(("shipping", "billing", "product quality", "abuse", "other"), prompt="What is this message about? "),
)


def choose_device(name: str) -> torch.device:
    """The device that `name` asks for; "auto" is CUDA where there is a CUDA device, else the CPU.

    Raises:
        ModelError: it is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ModelError(f"device {name!r} is unknown; use auto, cpu or cuda") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ModelError(f"device {name!r}: torch sees no CUDA device; use cpu")
    return device


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """The dtype that `name` asks for; "auto" is bfloat16 where the device multiplies it natively.

    Raises:
        ModelError: an unknown name.
    """
    if name == "auto":
        return torch.bfloat16 if has_native_bf16(device) else torch.float32
    if name not in DTYPES:
        raise ModelError(f"dtype {name!r} is unknown; use auto, {' or '.join(DTYPES)}")
    return DTYPES[name]


def has_native_bf16(device: torch.device) -> bool:
    """Whether the hardware multiplies bfloat16 itself; where it does not, bfloat16 is many times slower."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = torch.cpu.get_capabilities()
    return device.type == "cpu" and any(capabilities.get(name, False) for name in NATIVE_BF16_CAPABILITIES)


def encoder_modules(architecture: nn.Module) -> list[nn.Module]:
    """The encoders (and decoders) of an architecture: nearly all of its cost."""
    return [child for child in architecture.children() if hasattr(child, "get_input_embeddings")]


def set_precision(architecture: nn.Module, dtype: torch.dtype) -> None:
    """Run the encoders in `dtype` and what stands on them in float32, where few rows are left and digits count.

    An encoder-decoder is called in two steps, around which no conversion can be put: all of it runs in `dtype`.
    """
    encoders = encoder_modules(architecture)
    if dtype == torch.float32 or any(hasattr(encoder, "decode") for encoder in encoders):
        architecture.to(dtype)
        return
    for encoder in encoders:
        encoder.to(dtype)
        encoder.register_forward_hook(lambda _module, _inputs, states: states.float())
    segments = architecture._modules.get("segment_embeddings")
    if segments is not None:
        segments.to(dtype)


def probability_deviation(exact: Sequence[NDArray[np.float32]], other: Sequence[NDArray[np.float32]]) -> float:
    """Largest difference between the sigmoids of two lists of logits."""
    return max(float(np.abs(_sigmoid(a) - _sigmoid(b)).max()) for a, b in zip(exact, other, strict=True))


def _sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    return 0.5 * (1.0 + np.tanh(0.5 * logits.astype(np.float64)))
