"""The cross-attention scorer of the multilingual checkpoints: each label attends to the tokens of its text."""

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor, nn

from model.packing import QueryRows, packed_attention
from model.scorers.groups import LabelGroups
from model.scorers.pairwise import score_mlp


class CrossAttentionScorer(nn.Module):
    """Labels query the projected token states of their text; an MLP scores what they found beside themselves.

    Needs the pooling "pass". Attention never reaches padding or another text, so a score equals the reference's in
    any batch. Parameter names are the published state-dict keys.
    """

    def __init__(self, hidden_size: int, heads: int = 16, dropout: float = 0.1, mlp_hidden_size: int = 1024) -> None:
        super().__init__()
        if hidden_size % heads:
            raise ValueError(f"scorer_num_heads {heads} does not divide hidden_size {hidden_size}")
        self.heads = heads
        self.attention_dropout = dropout
        self.q_norm = nn.LayerNorm(hidden_size)
        self.kv_norm = nn.LayerNorm(hidden_size)
        self.q = nn.Linear(hidden_size, hidden_size)
        self.k = nn.Linear(hidden_size, hidden_size)
        self.v = nn.Linear(hidden_size, hidden_size)
        self.out = nn.Linear(hidden_size, hidden_size)
        self.norm = nn.LayerNorm(hidden_size)
        self.score_mlp = score_mlp(hidden_size * 2, mlp_hidden_size, nn.GELU)

    def forward(self, text: Tensor, text_lengths: Sequence[int], classes: Tensor, groups: LabelGroups) -> Tensor:
        """text: [R, D], text after text; text_lengths: rows of each text; classes: [C, D]. Returns logits [C]."""
        query = self.q(self.q_norm(classes)).unflatten(-1, (self.heads, -1))
        key = self.k(self.kv_norm(text)).unflatten(-1, (self.heads, -1))
        value = self.v(text).unflatten(-1, (self.heads, -1))
        dropout = self.attention_dropout if self.training else 0.0
        label_counts = groups.label_counts_of_texts(len(text_lengths))
        context = cross_attention(query, label_counts, key, value, text_lengths, dropout=dropout)
        context = self.norm(self.out(context.flatten(-2)))
        return self.score_mlp(torch.cat([context, classes], dim=-1)).squeeze(-1)


def cross_attention(
    query: Tensor,
    query_lengths: Sequence[int],
    key: Tensor,
    value: Tensor,
    key_lengths: Sequence[int],
    *,
    dropout: float = 0.0,
) -> Tensor:
    """Attention of the queries of each text to the keys of the same text, all of them.

    query: [Q, heads, d]; key, value: [R, heads, d]; the lengths say how many rows of each belong to each of N texts.
    Returns [Q, heads, d].
    """
    offsets = tuple(accumulate(key_lengths, initial=0))
    first_keys = torch.tensor(offsets[:-1], device=query.device)
    rows = first_keys.repeat_interleave(torch.tensor(query_lengths, device=query.device), output_size=len(query))
    bounds = tuple(accumulate(query_lengths, initial=0))
    return packed_attention(query, key, value, offsets, rows=QueryRows(rows, bounds), dropout=dropout)
