"""Losses on flat logits: the labels of all texts of a batch one after the other, without padding."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from model.training.data import IGNORED


def multi_label_loss(
    logits: Tensor, targets: Tensor, *, gamma: float = 0.0, alpha: float | None = None, smoothing: float = 0.0
) -> Tensor:
    """Binary cross-entropy, or focal loss, averaged over the labels whose truth is known.

    Args:
        logits: [labels].
        targets: [labels], from 0 to 1 (soft ones count by degree), IGNORED where unknown.
        gamma: focal exponent on 1 - p_t; 0 for plain cross-entropy.
        alpha: weight of true labels against 1 - alpha of false ones; None for equal weights.
        smoothing: pulls targets towards one half by this share.

    Returns:
        A scalar; zero, with a gradient of zero, where nothing is known.
    """
    known = targets != IGNORED
    truth = torch.where(known, targets, torch.zeros_like(targets))
    truth = truth * (1 - smoothing) + smoothing / 2
    loss = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    if gamma > 0:
        probabilities = logits.sigmoid()
        agreement = probabilities * truth + (1 - probabilities) * (1 - truth)
        loss = loss * (1 - agreement) ** gamma
    if alpha is not None:
        loss = loss * (alpha * truth + (1 - alpha) * (1 - truth))
    return (loss * known).sum() / known.sum().clamp_min(1)


def listwise_loss(logits: Tensor, targets: Tensor, counts: Sequence[int]) -> Tensor:
    """Cross-entropy of each true label of a text against all its false ones, averaged over true labels.

    Unlike the binary loss it does not fade as label sets grow: one true label among a hundred counts as one of two.

    Args:
        logits, targets: [labels], the texts' labels one after the other; soft targets count from one half on, IGNORED
            ones for nothing.
        counts: labels of each text; texts without a true or without a false label say nothing.
    """
    losses = []
    for scores, truth in zip(logits.split(list(counts)), targets.split(list(counts)), strict=True):
        true, false = truth >= 0.5, (truth < 0.5) & (truth != IGNORED)
        if bool(true.any()) and bool(false.any()):
            losses.append(F.softplus(scores[false].logsumexp(0) - scores[true]))
    return torch.cat(losses).mean() if losses else logits.sum() * 0


def partial_label_loss(logits: Tensor, candidates: Tensor, counts: Sequence[int]) -> Tensor:
    """Minus the log-probability that at least one of a text's candidate labels is chosen, averaged over texts.

    The softmax over a text's labels is the chance of each being the right one; a candidate set only says that the
    right one is among its members (Cour, Sapp & Taskar 2011).

    Args:
        logits: [labels], the texts' labels one after the other.
        candidates: bool [labels].
        counts: labels of each text; texts without a candidate, or with nothing but candidates, say nothing.
    """
    losses = []
    for scores, chosen in zip(logits.split(list(counts)), candidates.split(list(counts)), strict=True):
        if bool(chosen.any()) and not bool(chosen.all()):
            losses.append(scores.logsumexp(0) - scores[chosen].logsumexp(0))
    return torch.stack(losses).mean() if losses else logits.sum() * 0
