"""Rotary position embedding (Su et al., arXiv 2104.09864) on packed sequences."""

from collections.abc import Mapping

import torch
from torch import Tensor

from model.errors import CheckpointError

LENGTH_DEPENDENT_TYPES = ("dynamic", "longrope")


def require_fixed_frequencies(field: str, parameters: Mapping[str, object] | None) -> None:
    """Refuse a rotary embedding whose frequencies follow the longest sequence of a batch.

    Raises:
        CheckpointError: naming `field` of the encoder config.
    """
    rope_type = (parameters or {}).get("rope_type", "default")
    if rope_type in LENGTH_DEPENDENT_TYPES:
        raise CheckpointError(
            f"config.json: encoder_config.{field}.rope_type {rope_type!r} makes a score depend on the longest text of "
            "its batch and cannot be run"
        )


def rotate(states: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Turn each pair (x[k], x[k + d / 2]) of every head by the angle of its token.

    Args:
        states: [T, ..., d].
        cosine, sine: [1, T, d], as transformers' rotary modules give them: the second half repeats the first.

    Returns:
        [T, ..., d], of the dtype of `states`; computed in float32.
    """
    half = states.shape[-1] // 2
    shape = (states.shape[0], *(1 for _ in states.shape[1:-1]), half)
    cosine, sine = (part[0, :, :half].float().view(shape) for part in (cosine, sine))
    first, second = states.float().split(half, dim=-1)
    turned = (
        (first * cosine).addcmul(second, sine, value=-1),
        (second * cosine).addcmul(first, sine),
    )
    return torch.cat(turned, dim=-1).to(states.dtype)
