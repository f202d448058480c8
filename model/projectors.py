"""The small learned layers between an encoder and a scorer. Parameter names are the published state-dict keys."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence
from transformers.activations import ACT2FN

NORMALISATION_EPSILON = 1e-8


class FeaturesProjector(nn.Module):
    """Two linear layers from the encoder's width and back to it: [..., E] -> [..., E] (E also leaves, not D)."""

    def __init__(self, encoder_size: int, hidden_size: int, activation: str = "gelu", dropout: float = 0.1) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(encoder_size, hidden_size)
        self.act = ACT2FN[activation]
        self.dropout = nn.Dropout(dropout)
        self.linear_2 = nn.Linear(hidden_size, encoder_size)

    def forward(self, features: Tensor) -> Tensor:
        return self.linear_2(self.dropout(self.act(self.linear_1(features))))


class BiEncoderProjector(nn.Module):
    """From the label encoder's width to the text encoder's: [..., E_label] -> [..., E]. No dropout."""

    def __init__(self, label_encoder_size: int, hidden_size: int, encoder_size: int, activation: str = "gelu") -> None:
        super().__init__()
        self.linear_1 = nn.Linear(label_encoder_size, hidden_size)
        self.act = ACT2FN[activation]
        self.linear_2 = nn.Linear(hidden_size, encoder_size)

    def forward(self, features: Tensor) -> Tensor:
        return self.linear_2(self.act(self.linear_1(features)))


class PackedLstm(nn.Module):
    """One bidirectional LSTM layer over packed rows; each direction gives half of the width."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(input_size, hidden_size, num_layers=1, batch_first=True, bidirectional=True)

    def forward(self, rows: Tensor, lengths: Sequence[int]) -> Tensor:
        """rows: [R, H], text after text; lengths: rows of each text (every one at least 1). Returns [R, 2 x half]."""
        order, batch_sizes = _time_major_order(lengths)
        order_tensor = torch.from_numpy(order).to(rows.device)
        packed, _ = self.lstm(PackedSequence(rows[order_tensor], torch.from_numpy(batch_sizes)))
        return torch.empty_like(packed.data).index_copy(0, order_tensor, packed.data)


def _time_major_order(lengths: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Rows in the order an LSTM consumes them (step by step, longest text first) and the texts alive at each step."""
    sizes = np.asarray(lengths, dtype=np.int64)
    starts = np.cumsum(sizes) - sizes
    longest_first = np.argsort(-sizes, kind="stable")
    alive = [longest_first[sizes[longest_first] > step] for step in range(int(sizes.max()))]
    order = np.concatenate([starts[texts] + step for step, texts in enumerate(alive)])
    return order, np.array([len(texts) for texts in alive], dtype=np.int64)


def normalise(features: Tensor, *, clamped: bool = False) -> Tensor:
    """L2-normalise the last dimension: x / (|x| + 1e-8), or x / max(|x|, 1e-8) when clamped.

    The reference divides by the sum in the uni-encoder and the decoder-kv scorer, by the maximum elsewhere.
    """
    if clamped:
        return nn.functional.normalize(features, p=2, dim=-1, eps=NORMALISATION_EPSILON)
    return features / (features.norm(p=2, dim=-1, keepdim=True) + NORMALISATION_EPSILON)
