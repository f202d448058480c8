"""Scaled dot-product attention of sequences of one length, in the form that is fastest where it runs."""

from itertools import product

import torch
from torch import Tensor
from torch.nn import functional as F

SCORE_BLOCK_BYTES = 2 * 2**20
"""Size of the scores that are held at a time on the CPU: they stay in the processor's cache."""


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    bias: Tensor | None = None,
    scale: float | None = None,
    dropout: float = 0.0,
    causal: bool = False,
) -> Tensor:
    """softmax(query key^T * scale + bias) value, for N sequences at once.

    For inference on the CPU this is two products and a softmax: torch's fused kernel multiplies blocks of 32 queries,
    which uses two threads badly. Elsewhere it is torch's own.

    Args:
        query: [N, heads, Q, d].
        key, value: [N, heads, L, d].
        bias: added to the scores of every sequence, [heads or 1, Q or 1, L] or [Q or 1, L]; -inf hides.
        scale: None for 1 / sqrt(d).
        dropout: probability of dropping an attention weight; only for training.
        causal: whether query i sees only the keys up to i; not together with a bias.

    Returns:
        [N, heads, Q, d], in the dtype of `query`.
    """
    dtype, inner = query.dtype, attention_dtype(query)
    query, key, value = query.to(inner), key.to(inner), value.to(inner)
    bias = None if bias is None else bias.to(inner)
    if query.device.type == "cpu" and not (torch.is_grad_enabled() or causal or dropout):
        attended = _in_products(query, key, value, bias, query.shape[-1] ** -0.5 if scale is None else scale)
    else:
        attended = F.scaled_dot_product_attention(query, key, value, bias, dropout, causal, scale=scale)
    return attended.to(dtype)


def attention_dtype(states: Tensor) -> torch.dtype:
    """What attention over `states` is computed in: on the CPU float32 also for bfloat16.

    A bfloat16 product compiles a kernel for every length of a sequence, and torch's fused form converts element by
    element.
    """
    return torch.float32 if states.device.type == "cpu" and states.dtype == torch.bfloat16 else states.dtype


def _in_products(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, scale: float) -> Tensor:
    """In blocks of whole sequences, or of queries where the scores of one sequence are more than a block."""
    count, heads, asked, width = query.shape
    row_bytes = heads * key.shape[2] * query.itemsize
    sequences = max(1, SCORE_BLOCK_BYTES // (row_bytes * asked))
    rows = max(1, SCORE_BLOCK_BYTES // row_bytes)
    output = query.new_empty(count, asked, heads, width).transpose(1, 2)
    for first, start in product(range(0, count, sequences), range(0, asked, rows)):
        some, part = slice(first, first + sequences), slice(start, start + rows)
        added = bias if bias is None or bias.shape[-2] == 1 else bias[..., part, :]
        output[some, :, part] = _attended(query[some, :, part], key[some], value[some], added, scale)
    return output


def _attended(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, scale: float) -> Tensor:
    """One block: [n, heads, q, d]."""
    shape = query.shape[:2]
    scores = _scores(query.flatten(0, 1), key.flatten(0, 1), scale)
    if bias is not None:
        scores.unflatten(0, shape).add_(bias)
    return torch.bmm(scores.softmax(-1), value.flatten(0, 1)).unflatten(0, shape)


def _scores(queries: Tensor, keys: Tensor, scale: float) -> Tensor:
    """query key^T * scale of [B, Q, d] and [B, L, d]: [B, Q, L]."""
    scores = queries.new_empty(len(queries), queries.shape[1], keys.shape[1])
    # With beta 0 the product does not read what it is added to.
    return torch.baddbmm(scores, queries, keys.mT, beta=0, alpha=scale, out=scores)
