"""How good a set of chosen labels is: what a rollout earns.

All work on one batch in flat form: the labels of all texts one after the other, `text_index` [labels] saying whose each
is. Labels whose truth is IGNORED count for nothing. Each returns one reward per text, float32 [texts].
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from model.training.data import IGNORED


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen, and what is known.

    Attributes:
        actions: float32 [labels], 1 where the label was chosen.
        truth: float32 [labels], 0..1 or IGNORED.
        candidates: bool [labels], labels of which one is right; all False where nobody said so.
        text_index: int64 [labels].
        texts: number of texts.
    """

    actions: Tensor
    truth: Tensor
    candidates: Tensor
    text_index: Tensor
    texts: int

    @property
    def known(self) -> Tensor:
        """float32 [labels], 1 where the truth is known."""
        return (self.truth != IGNORED).float()

    def sum(self, values: Tensor) -> Tensor:
        """Sum of [labels] over each text, [texts]."""
        return torch.zeros(self.texts).index_add(0, self.text_index, values.float())


Reward = Callable[[Choice], Tensor]


def balanced_agreement(choice: Choice) -> Tensor:
    """Agreement, from -1 to 1, on the true labels and on the false ones, averaged over those of the two that are known.

    In a large label set nearly every label is false: counted label by label, refusing all of them is nearly right.
    """
    signs = 1 - 2 * (choice.actions - choice.truth).abs()
    true = choice.known * (choice.truth >= 0.5)
    sides = [choice.known - true, true]
    counts = [choice.sum(side) for side in sides]
    means = [choice.sum(signs * side) / count.clamp_min(1) for side, count in zip(sides, counts, strict=True)]
    known_sides = torch.stack([count > 0 for count in counts]).sum(0)
    return torch.stack(means).sum(0) / known_sides.clamp_min(1)


def within_candidates(choice: Choice) -> Tensor:
    """Where one of several candidates is right: 1 for choosing exactly one of them and nothing else, -1 for none.

    In between, the share of the choice that lies within the candidates, halved when more than one was chosen.
    0 where there is no candidate set.
    """
    stated = choice.sum(choice.candidates) > 0
    inside = choice.sum(choice.actions * choice.candidates)
    chosen = choice.sum(choice.actions)
    share = inside / chosen.clamp_min(1)
    reward = torch.where(chosen > 1, share / 2, share)
    reward = torch.where(inside > 0, reward, -torch.ones_like(reward))
    return torch.where(stated, reward, torch.zeros_like(reward))
