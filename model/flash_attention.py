"""Attention inside packed sequences on a GPU: one kernel for a whole batch, whatever its lengths."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn.attention.varlen import varlen_attn

LARGEST_HEAD = 256
FIRST_CAPABILITY = (8, 0)
"""Ampere; torch builds its flash kernels for nothing older."""


def takes_flash(query: Tensor, *, dropout: float) -> bool:
    """Whether the kernel runs on these queries: half precision on a recent CUDA device, and nothing is dropped."""
    return (
        query.is_cuda
        and dropout == 0.0
        and query.dtype in (torch.bfloat16, torch.float16)
        and query.shape[-1] % 8 == 0
        and query.shape[-1] <= LARGEST_HEAD
        and torch.cuda.get_device_capability(query.device) >= FIRST_CAPABILITY
    )


def flash_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    query_bounds: tuple[int, ...],
    key_bounds: tuple[int, ...],
    *,
    scale: float | None,
    causal: bool,
    window: int | None,
) -> Tensor:
    """Scaled dot-product attention of [R, heads, d] queries over [T, heads, d] keys and values, [R, heads, d].

    query_bounds, key_bounds: cumulated rows of each sequence. With `causal` or a `window` (largest distance seen) a
    sequence must have as many queries as keys, as the kernel knows no other positions.
    """
    longest = _longest(key_bounds)
    seen = -1 if window is None or window >= longest else window
    attended = varlen_attn(
        query,
        key,
        value,
        _bounds(query_bounds, query.device),
        _bounds(key_bounds, query.device),
        _longest(query_bounds),
        longest,
        scale=scale,
        window_size=(seen, 0 if causal else seen),
    )
    assert isinstance(attended, Tensor)  # a tuple only where the log-sums are asked for
    return attended


@lru_cache(maxsize=8)
def _bounds(bounds: tuple[int, ...], device: torch.device) -> Tensor:
    """On the device, kept for the layers of a model, which all ask for the same ones."""
    with torch.inference_mode(False):
        return torch.tensor(bounds, dtype=torch.int32, device=device)


@lru_cache(maxsize=8)
def _longest(bounds: Sequence[int]) -> int:
    return max(end - start for start, end in pairwise(bounds))
