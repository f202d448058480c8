"""Proximal policy optimisation for label decisions: each label is chosen or not, independently, with its probability.

Pure: from logits and a rollout to a loss. The rollout is drawn once and held while the policy is updated from it, so
the ratio of new to old probability is an importance weight (Schulman et al. 2017). All tensors are flat: the labels of
all texts one after the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from model.training.data import IGNORED
from model.training.rewards import Choice, Reward
from model.training.settings import PpoSettings


@dataclass(frozen=True, slots=True)
class Rollout:
    """Decisions that were drawn once, and what they earned.

    Attributes:
        actions: float32 [samples, labels].
        log_probs: float32 [samples, labels], under the policy that drew them.
        rewards: float32 [samples, texts].
        values: float32 [texts], what the value head expected.
        valid: bool [labels]; labels whose decision can have earned anything.
        text_index: int64 [labels], whose each label is.
        reference_logits: float32 [labels], of the frozen reference.
    """

    actions: Tensor
    log_probs: Tensor
    rewards: Tensor
    values: Tensor
    valid: Tensor
    text_index: Tensor
    reference_logits: Tensor


@dataclass(frozen=True, slots=True)
class Answers:
    """What people said about the labels of a batch, text after text.

    Attributes:
        truth: float32 [labels], 0..1 or IGNORED.
        candidates: bool [labels], labels of which one is right; all False where nobody said so.
        counts: labels of each text.
    """

    truth: Tensor
    candidates: Tensor
    counts: Sequence[int]


def draw_rollout(
    logits: Tensor,
    values: Tensor,
    reference_logits: Tensor,
    *,
    answers: Answers,
    reward: Reward,
    samples: int,
    generator: torch.Generator,
) -> Rollout:
    """Draw `samples` decisions of every text and reward them; nothing here carries a gradient.

    logits, reference_logits: [labels]; values: [texts]. A label is valid when its truth is known or its text has a
    candidate set.
    """
    truth, candidates, texts = answers.truth, answers.candidates, len(answers.counts)
    with torch.no_grad():
        text_index = torch.repeat_interleave(torch.arange(texts), torch.tensor(answers.counts))
        probabilities = logits.sigmoid()
        actions = torch.bernoulli(probabilities.expand(samples, -1), generator=generator)
        rewards = torch.stack([reward(Choice(drawn, truth, candidates, text_index, texts)) for drawn in actions])
        stated = torch.zeros(texts, dtype=torch.bool).index_put((text_index[candidates],), torch.tensor(True))
        return Rollout(
            actions=actions,
            log_probs=log_probabilities(logits, actions),
            rewards=rewards,
            values=values.detach().clone(),
            valid=(truth != IGNORED) | stated[text_index],
            text_index=text_index,
            reference_logits=reference_logits.detach().clone(),
        )


def log_probabilities(logits: Tensor, actions: Tensor) -> Tensor:
    """Log-probability of each decision, [..., labels]."""
    return -F.binary_cross_entropy_with_logits(logits.expand_as(actions), actions, reduction="none")


def advantages(rollout: Rollout, *, normalise: bool) -> Tensor:
    """How much more each rollout earned than the value head expected, [samples, texts]."""
    gained = rollout.rewards - rollout.values
    if normalise and gained.numel() > 1:
        # Were the mean left in, a value head that expects too little would praise whatever was drawn.
        gained = (gained - gained.mean()) / gained.std().clamp_min(1e-6)
    return gained


def policy_term(logits: Tensor, rollout: Rollout, gained: Tensor, clip: float) -> Tensor:
    """Minus the clipped surrogate, averaged over valid decisions; the ratio is each label's own."""
    ratio = (log_probabilities(logits, rollout.actions) - rollout.log_probs).exp()
    gain = gained[:, rollout.text_index]
    surrogate = torch.minimum(ratio * gain, ratio.clamp(1 - clip, 1 + clip) * gain)
    return -_mean_over(surrogate, rollout.valid)


def value_term(values: Tensor, rollout: Rollout) -> Tensor:
    """Squared error of the value head [texts] against what the rollouts earned."""
    return (rollout.rewards - values).square().mean()


def divergence_term(logits: Tensor, rollout: Rollout) -> Tensor:
    """KL(policy ‖ reference) of each label's decision, in closed form, averaged over all labels.

    Labels nobody judged are held by it too: their decisions earn nothing, so nothing else would keep them in place.
    """
    p = logits.sigmoid()
    log_p, log_q = F.logsigmoid(logits), F.logsigmoid(rollout.reference_logits)
    log_not_p, log_not_q = F.logsigmoid(-logits), F.logsigmoid(-rollout.reference_logits)
    return (p * (log_p - log_q) + (1 - p) * (log_not_p - log_not_q)).mean()


def entropy_term(logits: Tensor, rollout: Rollout) -> Tensor:
    """Entropy of each label's decision in nats, averaged over valid labels."""
    p = logits.sigmoid()
    return _mean_over(-(p * F.logsigmoid(logits) + (1 - p) * F.logsigmoid(-logits)), rollout.valid)


def ppo_loss(logits: Tensor, values: Tensor, rollout: Rollout, settings: PpoSettings) -> Tensor:
    """The loss, a scalar, of the current logits [labels] and values [texts] on a held rollout."""
    gained = advantages(rollout, normalise=settings.normalise_advantages)
    policy = policy_term(logits, rollout, gained, settings.clip)
    value = value_term(values, rollout)
    divergence = divergence_term(logits, rollout)
    entropy = entropy_term(logits, rollout)
    return policy + settings.value_weight * value + settings.kl_weight * divergence - settings.entropy_weight * entropy


def _mean_over(values: Tensor, valid: Tensor) -> Tensor:
    mask = valid.expand_as(values).float()
    return (values * mask).sum() / mask.sum().clamp_min(1)
