"""How good a set of chosen labels is, as named functions; the reward of a rollout is a weighted sum of them.

All work on one batch in flat form: the labels of all texts one after the other, `text_index` [labels] saying whose each
is. Labels whose truth is IGNORED count for nothing. Each returns one reward per text, float32 [texts].
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from model.training.data import IGNORED
from model.training.errors import DataError


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen, and what is known.

    Attributes:
        actions: float32 [labels], 1 where the label was chosen.
        probabilities: float32 [labels], the chance of choosing it.
        truth: float32 [labels], 0..1 or IGNORED.
        candidates: bool [labels], labels of which one is right; all False where nobody said so.
        text_index: int64 [labels].
        texts: number of texts.
    """

    actions: Tensor
    probabilities: Tensor
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


def example_f1(choice: Choice) -> Tensor:
    """F1 of the chosen against the true labels of each text; 1 where both are empty."""
    truth = choice.truth * choice.known
    both = choice.sum(choice.actions * truth)
    total = choice.sum(choice.actions * choice.known) + choice.sum(truth)
    return torch.where(total > 0, 2 * both / total.clamp_min(1e-9), torch.ones_like(total))


def accuracy(choice: Choice) -> Tensor:
    """Share of the known labels that were decided right; 0 where nothing is known."""
    right = 1 - (choice.actions - choice.truth).abs()
    return choice.sum(right * choice.known) / choice.sum(choice.known).clamp_min(1)


def agreement(choice: Choice) -> Tensor:
    """Accuracy from -1 to 1, so that a wrong answer costs; 0 where nothing is known."""
    signs = 1 - 2 * (choice.actions - choice.truth).abs()
    return choice.sum(signs * choice.known) / choice.sum(choice.known).clamp_min(1)


def balanced_agreement(choice: Choice) -> Tensor:
    """Agreement on the true labels and agreement on the false ones, averaged over those of the two that are known.

    In a large label set nearly every label is false: by `agreement` alone, refusing all of them is nearly right.
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


def recall_at_precision(precision: float) -> Reward:
    """Recall of each text minus what its precision lacks of `precision`, over the latter."""
    if not 0 < precision <= 1:
        raise DataError(f"recall_at_precision needs a precision above 0 and up to 1, got {precision!r}")

    def reward(choice: Choice) -> Tensor:
        truth = choice.truth * choice.known
        both = choice.sum(choice.actions * truth)
        positives, chosen = choice.sum(truth), choice.sum(choice.actions * choice.known)
        recall = torch.where(positives > 0, both / positives.clamp_min(1e-9), torch.ones_like(both))
        reached = torch.where(chosen > 0, both / chosen.clamp_min(1e-9), torch.ones_like(both))
        return recall - (precision - reached).clamp_min(0) / precision

    return reward


def cost_matrix(missed: float, false_alarm: float) -> Reward:
    """Minus the mean cost of a text's known labels: `missed` per one not chosen, `false_alarm` per wrong one."""
    if missed < 0 or false_alarm < 0:
        raise DataError("costs must not be negative")

    def reward(choice: Choice) -> Tensor:
        truth = choice.truth * choice.known
        misses = choice.sum((1 - choice.actions) * truth)
        alarms = choice.sum(choice.actions * (1 - choice.truth) * choice.known)
        return -(missed * misses + false_alarm * alarms) / choice.sum(choice.known).clamp_min(1)

    return reward


def combined(weights: Mapping[str, float]) -> Reward:
    """Weighted sum of rewards by name: example_f1, accuracy, agreement, balanced_agreement, within_candidates."""
    unknown = sorted(weights.keys() - REWARDS.keys())
    if unknown:
        raise DataError(f"reward {unknown[0]!r} is not known; there are {', '.join(sorted(REWARDS))}")
    if not weights:
        raise DataError("name at least one reward")

    def reward(choice: Choice) -> Tensor:
        parts = [weight * REWARDS[name](choice) for name, weight in weights.items()]
        return torch.stack(parts).sum(0)

    return reward


REWARDS: dict[str, Reward] = {
    "accuracy": accuracy,
    "agreement": agreement,
    "balanced_agreement": balanced_agreement,
    "example_f1": example_f1,
    "within_candidates": within_candidates,
}
