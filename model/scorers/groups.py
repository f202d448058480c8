"""Which labels are scored against which text, without label padding."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class LabelGroups:
    """G groups of class rows: group after group in a flat [C, D] tensor, each scored together against one text.

    label_counts: labels of each group; they sum to C.
    text_indices: the text of each group, ascending. A uni-encoder has one group per sequence; a bi-encoder has one
        per label set of a text.
    """

    label_counts: tuple[int, ...]
    text_indices: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.label_counts) != len(self.text_indices):
            raise ValueError(f"{len(self.label_counts)} label counts for {len(self.text_indices)} text indices")
        if any(later < earlier for earlier, later in zip(self.text_indices, self.text_indices[1:], strict=False)):
            raise ValueError("text_indices must ascend: the groups of one text stand together, in text order")

    @classmethod
    def one_per_text(cls, label_counts: Sequence[int]) -> "LabelGroups":
        """One label set for each text, in text order."""
        return cls(tuple(label_counts), tuple(range(len(label_counts))))

    @property
    def label_count(self) -> int:
        return sum(self.label_counts)

    def label_counts_of_texts(self, texts: int) -> tuple[int, ...]:
        """Labels of each of `texts` texts, over all its groups."""
        counts = [0] * texts
        for count, text in zip(self.label_counts, self.text_indices, strict=True):
            counts[text] += count
        return tuple(counts)

    def text_of_labels(self, device: torch.device) -> Tensor:
        """int64 [C]: the text that each class row is scored against."""
        return self._repeat(self.text_indices, device)

    def group_of_labels(self, device: torch.device) -> Tensor:
        """int64 [C]: the group that each class row belongs to."""
        return self._repeat(range(len(self.label_counts)), device)

    def _repeat(self, values: Sequence[int], device: torch.device) -> Tensor:
        flat = [value for value, count in zip(values, self.label_counts, strict=True) for _ in range(count)]
        return torch.tensor(flat, dtype=torch.int64, device=device)


def group_maximum(values: Tensor, groups: Tensor, group_count: int) -> Tensor:
    """[C] values -> [G] maxima; a group without labels has -inf."""
    lowest = values.new_full((group_count,), float("-inf"))
    return lowest.scatter_reduce(0, groups, values, "amax")


def group_sum(values: Tensor, groups: Tensor, group_count: int) -> Tensor:
    """[C, ...] values -> [G, ...] sums; a group without labels has 0."""
    return values.new_zeros((group_count, *values.shape[1:])).index_add(0, groups, values)


def group_softmax(values: Tensor, groups: Tensor, group_count: int) -> Tensor:
    """[C] values -> [C] weights that sum to 1 within each group."""
    peaks = group_maximum(values, groups, group_count).detach()
    weights = (values - peaks[groups]).exp()
    return weights / group_sum(weights, groups, group_count)[groups]
