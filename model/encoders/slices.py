"""Feed-forward layers in slices of tokens."""

from collections.abc import Callable

import torch
from torch import Tensor

SLICE_TOKENS = 1024


def in_slices(feed_forward: Callable[[Tensor], Tensor], states: Tensor) -> Tensor:
    """Apply a token-wise layer, on the CPU to at most `SLICE_TOKENS` tokens at a time.

    The states inside a feed-forward layer are several times as wide as its input. Of a large batch they would leave the
    processor's cache and be mapped anew by the operating system in every layer.

    Args:
        feed_forward: [t, H] to [t, H], each row from its own row.
        states: [T, H].

    Returns:
        [T, H].
    """
    if states.device.type != "cpu" or len(states) <= SLICE_TOKENS:
        return feed_forward(states)
    return torch.cat([feed_forward(part) for part in states.split(SLICE_TOKENS)])
