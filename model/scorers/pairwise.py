"""Scorers that read one text vector and one class vector at a time: simple, weighted-dot, mlp, hopfield.

Each takes text [N, D], classes [C, D] and the groups that pair them, and returns logits [C] in the order of
`classes`. Linear layers over a concatenation of text and class are applied to each side once and added per pair, so
the text side costs N rows, not C. Parameter names are the published state-dict keys.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.scorers.groups import LabelGroups, group_softmax

MLP_HIDDEN_SIZE = 256
HOPFIELD_BETA = 4.0


class SimpleScorer(nn.Module):
    """The dot product of text and class, accumulated in float32. No parameters."""

    def forward(self, text: Tensor, classes: Tensor, groups: LabelGroups) -> Tensor:
        paired = text.float().index_select(0, groups.text_of_labels(text.device))
        return (paired * classes.float()).sum(dim=-1)


class WeightedDotScorer(nn.Module):
    """Text and class are each projected to two vectors; an MLP reads one of each and the product of the others."""

    def __init__(self, hidden_size: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.proj_text = nn.Linear(hidden_size, hidden_size * 2)
        self.proj_label = nn.Linear(hidden_size, hidden_size * 2)
        self.out_mlp = nn.Sequential(
            nn.Linear(hidden_size * 3, hidden_size * 4),
            nn.Dropout(dropout),
            nn.ReLU(),
            nn.Linear(hidden_size * 4, 1),
        )

    def forward(self, text: Tensor, classes: Tensor, groups: LabelGroups) -> Tensor:
        text_of_labels = groups.text_of_labels(text.device)
        text_first, text_second = self.proj_text(text).chunk(2, dim=-1)
        class_first, class_second = self.proj_label(classes).chunk(2, dim=-1)
        per_class = torch.cat([class_first, text_second.index_select(0, text_of_labels) * class_second], dim=-1)
        hidden = pair_linear(_linear(self.out_mlp[0]), text_first, per_class, text_of_labels)
        return self.out_mlp[1:](hidden).squeeze(-1)


class MlpScorer(nn.Module):
    """An MLP over the concatenated text and class.

    Its width is always 256, then 128: the reference passes `scorer_mlp_hidden_size` under a name that this scorer
    does not read, so the field has no effect here.
    """

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.mlp = score_mlp(hidden_size * 2, MLP_HIDDEN_SIZE, nn.ReLU)

    def forward(self, text: Tensor, classes: Tensor, groups: LabelGroups) -> Tensor:
        hidden = pair_linear(_linear(self.mlp[0]), text, classes, groups.text_of_labels(text.device))
        return self.mlp[1:](hidden).squeeze(-1)


class HopfieldScorer(nn.Module):
    """Each class moves towards the text by its share of the group's attention, then an MLP scores it alone.

    The softmax runs over the labels of a group, so a score depends on the labels beside it. In the reference it
    also runs over the padded label slots of a ragged batch; here, as in the reference run alone, it does not.
    """

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.q_proj = nn.Linear(hidden_size, hidden_size, bias=False)
        self.k_proj = nn.Linear(hidden_size, hidden_size, bias=False)
        self.v_proj = nn.Linear(hidden_size, hidden_size, bias=False)
        self.mlp = score_mlp(hidden_size, MLP_HIDDEN_SIZE, nn.ReLU)

    def forward(self, text: Tensor, classes: Tensor, groups: LabelGroups) -> Tensor:
        text_of_labels = groups.text_of_labels(text.device)
        keys = self.k_proj(text).float().index_select(0, text_of_labels)
        affinity = HOPFIELD_BETA * (self.q_proj(classes).float() * keys).sum(dim=-1)
        weights = group_softmax(affinity, groups.group_of_labels(text.device), len(groups.label_counts))
        context = weights.to(classes.dtype).unsqueeze(-1) * self.v_proj(text).index_select(0, text_of_labels)
        return self.mlp(classes + context).squeeze(-1)


def score_mlp(input_size: int, hidden_size: int, activation: type[nn.Module]) -> nn.Sequential:
    """Three linear layers, halving once, to one score: parameters at 0, 2 and 4."""
    return nn.Sequential(
        nn.Linear(input_size, hidden_size),
        activation(),
        nn.Linear(hidden_size, hidden_size // 2),
        activation(),
        nn.Linear(hidden_size // 2, 1),
    )


def pair_linear(linear: nn.Linear, text: Tensor, per_class: Tensor, text_of_labels: Tensor) -> Tensor:
    """`linear` of the concatenation [text of the label; per_class], [C, out], computing the text side once per text.

    text: [N, A]; per_class: [C, B]; linear: A + B inputs; text_of_labels: int64 [C].
    """
    text_weight, class_weight = linear.weight.split([text.shape[-1], per_class.shape[-1]], dim=1)
    text_part = F.linear(text, text_weight).index_select(0, text_of_labels)
    return F.linear(per_class, class_weight, linear.bias) + text_part


def _linear(module: nn.Module) -> nn.Linear:
    assert isinstance(module, nn.Linear)
    return module
