"""Which device and number format to run in, and how far a format moves the scores of a checkpoint."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

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


def probability_deviation(exact: Sequence[NDArray[np.float32]], other: Sequence[NDArray[np.float32]]) -> float:
    """Largest difference between the sigmoids of two lists of logits."""
    return max(float(np.abs(_sigmoid(a) - _sigmoid(b)).max()) for a, b in zip(exact, other, strict=True))


def _sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    return 1.0 / (1.0 + np.exp(-logits.astype(np.float64)))
