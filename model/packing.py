"""Many sequences as one flat sequence of tokens, and attention that keeps them apart.

A padded batch spends its time on padding and lets a text's score depend on its neighbours. Here a batch is the
concatenation of its sequences: every linear layer and norm runs on exactly the real tokens, and attention runs inside
each sequence.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import AttentionInterface, AttentionMaskInterface

from model.flash_attention import flash_attention, takes_flash

ATTENTION_NAME = "packed"

AttentionBias = Callable[[Tensor | None, int], Tensor]


@dataclass(frozen=True, slots=True)
class PackedBatch:
    """Sequences one after the other, without padding.

    Attributes:
        input_ids: int64 [T].
        position_ids: int64 [T], restarting at 0 in each sequence.
        cumulative_lengths: N + 1 integers; sequence i owns tokens `cumulative_lengths[i]:cumulative_lengths[i + 1]`.
    """

    input_ids: Tensor
    position_ids: Tensor
    cumulative_lengths: tuple[int, ...]

    @classmethod
    def pack(
        cls, sequences: Sequence[Sequence[int] | np.ndarray], device: torch.device | str | None = None
    ) -> "PackedBatch":
        """Pack token-id sequences (each of at least one token) into one batch on `device`."""
        arrays = [np.asarray(sequence, dtype=np.int64) for sequence in sequences]
        if not arrays or any(len(array) == 0 for array in arrays):
            raise ValueError("a packed batch needs at least one sequence, and every sequence at least one token")
        positions = np.concatenate([np.arange(len(array), dtype=np.int64) for array in arrays])
        return cls(
            input_ids=torch.from_numpy(np.concatenate(arrays)).to(device),
            position_ids=torch.from_numpy(positions).to(device),
            cumulative_lengths=tuple(accumulate((len(array) for array in arrays), initial=0)),
        )

    @property
    def token_count(self) -> int:
        """T, the number of tokens."""
        return self.cumulative_lengths[-1]

    @property
    def lengths(self) -> tuple[int, ...]:
        """Tokens of each sequence."""
        return tuple(end - start for start, end in pairwise(self.cumulative_lengths))


def unpack(values: Tensor, cumulative_lengths: Sequence[int]) -> list[Tensor]:
    """Split [T, ...] into one [L_i, ...] view per sequence."""
    return [values[start:end] for start, end in pairwise(cumulative_lengths)]


@dataclass(frozen=True, slots=True)
class QueryRows:
    """The rows of a packed batch that are asked for, grouped by sequence.

    Attributes:
        indices: int64 [R], flat row numbers, never decreasing.
        cumulative_lengths: N + 1 integers: rows asked of each sequence, cumulated.
    """

    indices: Tensor
    cumulative_lengths: tuple[int, ...]

    @classmethod
    def of(cls, rows: Tensor, cumulative_lengths: Sequence[int]) -> "QueryRows":
        """Group `rows` (int64 [R], never decreasing) by the sequences that `cumulative_lengths` describes."""
        if bool((rows.diff() < 0).any()):
            raise ValueError("rows must not decrease: attention takes the rows of one sequence after the other")
        bounds = torch.tensor(tuple(cumulative_lengths), device=rows.device)
        return cls(rows, tuple(torch.searchsorted(rows, bounds).tolist()))


def packed_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    cumulative_lengths: Sequence[int],
    *,
    rows: QueryRows | None = None,
    scale: float | None = None,
    dropout: float = 0.0,
    causal: bool = False,
    window: int | None = None,
    bias: AttentionBias | None = None,
) -> Tensor:
    """Scaled dot-product attention inside each sequence of a packed batch.

    Args:
        query: [T, heads, d], or [R, heads, d] in the order of `rows`.
        key, value: [T, heads, d].
        cumulative_lengths: of the keys, N + 1 integers.
        rows: which rows `query` holds; None for all of them.
        scale: factor on the scores; None for 1 / sqrt(d).
        dropout: probability of dropping an attention weight; only for training.
        causal: whether a token sees only itself and what precedes it.
        window: largest distance |i - j| that is seen; None for no limit.
        bias: gives what is added to the scores of one sequence, as [heads or 1, Q, L], from the positions of its
            queries (int64 [Q], or None when every token asks) and its length L.

    Returns:
        [T, heads, d] or [R, heads, d], in the order of `query`.
    """
    positional = causal or window is not None
    if bias is None and not (positional and rows is not None) and takes_flash(query, dropout=dropout):
        key_bounds = tuple(cumulative_lengths)
        query_bounds = key_bounds if rows is None else rows.cumulative_lengths
        return flash_attention(query, key, value, query_bounds, key_bounds, scale=scale, causal=causal, window=window)
    outputs = []
    # The CPU's bfloat16 kernel converts to float32 element by element and is slower than converting once.
    widened = query.device.type == "cpu" and query.dtype == torch.bfloat16
    for queries, keys, count in _runs(cumulative_lengths, rows, mergeable=rows is None):
        length = (keys.stop - keys.start) // count
        positions = None if rows is None else rows.indices[queries] - keys.start
        q, k, v = (part.unflatten(0, (count, -1)).transpose(1, 2) for part in (query[queries], key[keys], value[keys]))
        if widened:
            q, k, v = q.float(), k.float(), v.float()
        mask = _mask(positions, length, causal, window, bias, q)
        attended = F.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, dropout_p=dropout, scale=scale, is_causal=causal and mask is None
        )
        outputs.append(attended.transpose(1, 2).flatten(0, 1).to(query.dtype))
    return outputs[0] if len(outputs) == 1 else torch.cat(outputs)


def _runs(
    cumulative_lengths: Sequence[int], rows: QueryRows | None, *, mergeable: bool
) -> Iterator[tuple[slice, slice, int]]:
    """Neighbouring sequences of one length go through one kernel call: (query rows, key rows, sequences)."""
    row_bounds = cumulative_lengths if rows is None else rows.cumulative_lengths
    sequence, last = 0, len(cumulative_lengths) - 1
    while sequence < last:
        end = sequence + 1
        length = cumulative_lengths[end] - cumulative_lengths[sequence]
        while mergeable and end < last and cumulative_lengths[end + 1] - cumulative_lengths[end] == length:
            end += 1
        queries = slice(row_bounds[sequence], row_bounds[end])
        if queries.stop > queries.start:
            yield queries, slice(cumulative_lengths[sequence], cumulative_lengths[end]), end - sequence
        sequence = end


def _mask(
    positions: Tensor | None,
    length: int,
    causal: bool,
    window: int | None,
    bias: AttentionBias | None,
    query: Tensor,
) -> Tensor | None:
    """Additive mask [heads or 1, Q, L] of one sequence, or None where the kernel needs none."""
    limit = None if window is None or length <= window + 1 else window
    hidden = None
    if limit is not None or (causal and (positions is not None or bias is not None)):
        columns = torch.arange(length, device=query.device)
        distance = columns[None, :] - (columns if positions is None else positions)[:, None]
        hidden = torch.zeros_like(distance, dtype=torch.bool)
        if causal:
            hidden |= distance > 0
        if limit is not None:
            hidden |= distance.abs() > limit
    if bias is None and hidden is None:
        return None
    added = query.new_zeros(1, 1, 1) if bias is None else bias(positions, length).to(query.dtype)
    return added if hidden is None else added.masked_fill(hidden, -torch.inf)


def _transformers_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    cumulative_lengths: Sequence[int],
    scaling: float | None = None,
    dropout: float = 0.0,
    is_causal: bool | None = None,
    sliding_window: int | None = None,
    position_bias: AttentionBias | None = None,
    query_rows: QueryRows | None = None,
    **_: object,
) -> tuple[Tensor, None]:
    """`packed_attention` with the signature of a transformers attention function: [1, heads, T, d] tensors.

    `sliding_window` is the largest distance seen, plus one, as transformers counts it. Grouped key and value heads
    are repeated.
    """
    if attention_mask is not None:
        raise ValueError("packed attention takes no mask: there is no padding to hide")
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = (part.repeat_interleave(groups, dim=1) for part in (key, value))
    query, key, value = (part[0].transpose(0, 1) for part in (query, key, value))
    attended = packed_attention(
        query,
        key,
        value,
        cumulative_lengths,
        rows=query_rows,
        scale=scaling,
        dropout=dropout,
        causal=getattr(module, "is_causal", False) if is_causal is None else is_causal,
        window=None if sliding_window is None else sliding_window - 1,
        bias=position_bias,
    )
    return attended[None], None


AttentionInterface.register(ATTENTION_NAME, _transformers_attention)
AttentionMaskInterface.register(ATTENTION_NAME, lambda *_, **__: None)
