"""Pooling over packed rows: text vectors and class vectors.

The reference pools without a mask over padded sequences, so every strategy but "first" and "pass" depends there on
the longest text of the batch. Here a text is pooled as the reference pools it *run alone*: over its own rows, plus
the zero-filled tail that `extract_text_features` leaves behind (see `pool_text`).
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

PoolingFunction = Callable[[Tensor], Tensor]

# One text's rows [L, H], L >= 1 -> its vector [H].
POOLING: dict[str, PoolingFunction] = {
    "first": lambda rows: rows[0],
    "last": lambda rows: rows[-1],
    "avg": lambda rows: rows.mean(dim=0),
    "max": lambda rows: rows.amax(dim=0),
    "sum": lambda rows: rows.sum(dim=0),
    "rms": lambda rows: rows.pow(2).mean(dim=0).sqrt(),
    "abs_max": lambda rows: rows.abs().amax(dim=0),
    "abs_avg": lambda rows: rows.abs().mean(dim=0),
}
STRATEGIES = (*POOLING, "pass")


def pool_text(
    rows: Tensor, lengths: Sequence[int], strategy: str, padded_lengths: Sequence[int] | None = None
) -> Tensor:
    """Text vectors from packed rows.

    rows: [R, H], text after text; lengths: rows of each of the N texts, summing to R.
    padded_lengths: rows of each text with its zero-filled tail; omitted where there is no tail. The tail counts in
        the mean of "avg", "rms" and "abs_avg", can be the maximum of "max", and is the last row of "last".
    A text with no rows is pooled to zeros.
    Returns [N, H]; for "pass" the rows themselves, [R, H] (the tail is never attended to).
    """
    if strategy == "pass":
        return rows
    padded = lengths if padded_lengths is None else padded_lengths
    if strategy in ("first", "last") and all(
        total == length == 1 for length, total in zip(lengths, padded, strict=True)
    ):
        return rows
    pool = POOLING[strategy]
    parts = rows.split(list(lengths))
    pooled = [_pool_with_tail(pool, strategy, part, total) for part, total in zip(parts, padded, strict=True)]
    return torch.stack(pooled) if pooled else rows.new_zeros(0, rows.shape[-1])


def _pool_with_tail(pool: PoolingFunction, strategy: str, rows: Tensor, padded_length: int) -> Tensor:
    length = len(rows)
    if length == 0:
        return rows.new_zeros(rows.shape[-1])
    if strategy == "first" or padded_length <= length:
        return pool(rows)
    if strategy == "last":
        return torch.zeros_like(rows[0])
    pooled = pool(rows)
    if strategy == "max":
        return pooled.clamp_min(0)
    if strategy in ("avg", "abs_avg"):
        return pooled * (length / padded_length)
    if strategy == "rms":
        return pooled * (length / padded_length) ** 0.5
    return pooled


def pool_classes(rows: Tensor, lengths: Sequence[int]) -> Tensor:
    """Class vectors: the mean of each label's rows.

    rows: [R, H], label after label; lengths: rows of each of the C labels, summing to R.
    Returns [C, H]. A label without rows has the zero vector, as in the reference.
    """
    if all(length == 1 for length in lengths):
        return rows
    counts = torch.tensor(lengths, device=rows.device)
    # Half-precision sums over a long last label lose whole digits; the reference's matrix product accumulates wider.
    sums = torch.segment_reduce(rows.float(), "sum", lengths=counts, axis=0, initial=0)
    return (sums / counts.clamp_min(1).unsqueeze(-1)).to(rows.dtype)
