"""Each term of the PPO loss, alone, moves a small policy in the direction it should."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from model.training.data import IGNORED
from model.training.ppo import (
    Answers,
    Rollout,
    advantages,
    divergence_term,
    draw_rollout,
    entropy_term,
    log_probabilities,
    policy_term,
    ppo_loss,
    value_term,
)
from model.training.rewards import Choice
from model.training.settings import PpoSettings

COUNTS = (2, 3)
TRUTH = torch.tensor([1.0, 0.0, 0.0, 1.0, IGNORED])
NO_CANDIDATES = torch.zeros(5, dtype=torch.bool)


def example_f1(choice: Choice) -> Tensor:
    """F1 of the chosen against the true labels of each text; 1 where both are empty."""
    truth = choice.truth * choice.known
    both = choice.sum(choice.actions * truth)
    total = choice.sum(choice.actions * choice.known) + choice.sum(truth)
    return torch.where(total > 0, 2 * both / total.clamp_min(1e-9), torch.ones_like(total))


def _rollout(logits: Tensor, samples: int = 64, values: Tensor | None = None, truth: Tensor = TRUTH) -> Rollout:
    return draw_rollout(
        logits,
        torch.zeros(2) if values is None else values,
        torch.zeros(5),
        answers=Answers(truth, NO_CANDIDATES, COUNTS),
        reward=example_f1,
        samples=samples,
        generator=torch.Generator().manual_seed(3),
    )


def _slope(function, point: Tensor, index: int, step: float = 1e-3) -> float:
    """Central finite difference of `function` along one coordinate."""
    shift = torch.zeros_like(point)
    shift[index] = step
    with torch.no_grad():
        return float((function(point + shift) - function(point - shift)) / (2 * step))


def test_the_gradient_of_the_whole_loss_is_its_finite_difference() -> None:
    rollout = _rollout(torch.zeros(5).double(), truth=TRUTH)
    rollout = Rollout(*(value.double() if value.is_floating_point() else value for value in _fields(rollout)))
    values = torch.tensor([0.3, 0.6], dtype=torch.float64)
    settings = PpoSettings(kl_weight=0.3, entropy_weight=0.2)
    point = torch.linspace(-0.1, 0.1, 5, dtype=torch.float64, requires_grad=True)
    ppo_loss(point, values, rollout, settings).backward()
    assert point.grad is not None
    for index in range(5):
        slope = _slope(lambda p: ppo_loss(p, values, rollout, settings), point.detach(), index, 1e-5)
        assert slope == pytest.approx(float(point.grad[index]), abs=1e-6)


def _fields(rollout: Rollout) -> list[Tensor]:
    return [getattr(rollout, name) for name in Rollout.__slots__]


def test_the_policy_term_makes_rewarded_decisions_likelier_and_punished_ones_rarer() -> None:
    logits = torch.zeros(5)
    rollout = _rollout(logits, samples=512)
    gained = rollout.rewards - rollout.rewards.mean(0)
    slopes = [_slope(lambda p: policy_term(p, rollout, gained, 0.2), logits, index) for index in range(5)]
    assert slopes[0] < 0  # raising the logit of a true label lowers the loss
    assert slopes[1] > 0
    assert slopes[2] > 0
    assert slopes[3] < 0


def test_a_label_nobody_judged_gets_no_policy_or_entropy_gradient() -> None:
    logits = torch.full((5,), 0.3, requires_grad=True)
    rollout = _rollout(logits.detach())
    (policy_term(logits, rollout, rollout.rewards, 0.2) + entropy_term(logits, rollout)).backward()
    assert logits.grad is not None
    assert logits.grad[4] == 0
    assert bool((logits.grad[:4] != 0).all())


def test_the_divergence_is_a_penalty_that_pulls_towards_the_reference() -> None:
    rollout = _rollout(torch.zeros(5))
    assert float(divergence_term(torch.zeros(5), rollout)) == pytest.approx(0, abs=1e-7)
    assert float(divergence_term(torch.ones(5), rollout)) > 0
    assert _slope(lambda p: divergence_term(p, rollout), torch.ones(5), 0) > 0
    assert _slope(lambda p: divergence_term(p, rollout), -torch.ones(5), 0) < 0


def test_more_weight_on_the_divergence_raises_the_loss_away_from_the_reference() -> None:
    rollout, logits = _rollout(torch.zeros(5)), torch.ones(5)
    weak = ppo_loss(logits, torch.zeros(2), rollout, PpoSettings(kl_weight=0.1))
    strong = ppo_loss(logits, torch.zeros(2), rollout, PpoSettings(kl_weight=1.0))
    assert strong > weak


def test_the_entropy_is_a_reward_that_pulls_towards_undecided() -> None:
    rollout, decided = _rollout(torch.zeros(5)), torch.full((5,), 2.0)
    bold = ppo_loss(decided, torch.zeros(2), rollout, PpoSettings(kl_weight=0, entropy_weight=0.0))
    curious = ppo_loss(decided, torch.zeros(2), rollout, PpoSettings(kl_weight=0, entropy_weight=1.0))
    assert curious < bold
    assert _slope(lambda p: -entropy_term(p, rollout), decided, 0) > 0
    assert float(entropy_term(torch.zeros(5), rollout)) == pytest.approx(0.6931, abs=1e-4)


def test_the_value_term_pulls_the_value_head_to_the_mean_reward() -> None:
    rollout = _rollout(torch.zeros(5), samples=256)
    mean = rollout.rewards.mean(0)
    assert _slope(lambda v: value_term(v, rollout), mean, 0) == pytest.approx(0, abs=1e-3)
    assert _slope(lambda v: value_term(v, rollout), mean + 0.5, 0) > 0
    assert _slope(lambda v: value_term(v, rollout), mean - 0.5, 1) < 0


def test_the_advantage_is_what_was_earned_beyond_the_expectation() -> None:
    rollout = _rollout(torch.zeros(5), values=torch.tensor([0.25, 0.75]))
    assert torch.equal(advantages(rollout, normalise=False), rollout.rewards - torch.tensor([0.25, 0.75]))


def test_normalised_advantages_praise_nothing_but_what_beats_the_rest() -> None:
    rollout = _rollout(torch.zeros(5), values=torch.tensor([-5.0, -5.0]))
    gained = advantages(rollout, normalise=True)
    assert float(gained.mean()) == pytest.approx(0, abs=1e-5)
    assert float(gained.std()) == pytest.approx(1, abs=1e-4)


def test_the_ratio_is_each_labels_own_and_one_at_the_start() -> None:
    logits = torch.tensor([0.5, -1.0, 2.0, 0.0, 1.0])
    rollout = _rollout(logits)
    gained = torch.ones(64, 2)
    assert float(policy_term(logits, rollout, gained, 0.2)) == pytest.approx(-1, abs=1e-6)
    moved = logits.clone()
    moved[0] += 0.1
    ratio = (log_probabilities(moved, rollout.actions) - rollout.log_probs).exp()
    assert bool((ratio[:, 1:] == 1).all())
    assert bool((ratio[:, 0] != 1).all())


def test_a_ratio_beyond_the_clip_earns_no_more() -> None:
    rollout = _rollout(torch.zeros(5))
    gained = torch.ones(64, 2)
    far = torch.where(rollout.actions[0] > 0, 8.0, -8.0)
    one = Rollout(*(value[:1] if value.shape[:1] == (64,) else value for value in _fields(rollout)))
    point = far.clone().requires_grad_()
    policy_term(point, one, gained[:1], 0.2).backward()
    assert point.grad is not None
    assert bool((point.grad == 0).all())


def test_a_rollout_is_held_while_the_policy_moves() -> None:
    logits = torch.zeros(5, requires_grad=True)
    rollout = _rollout(logits)
    drawn = rollout.actions.clone()
    optimizer = torch.optim.SGD([logits], lr=0.5)
    for _ in range(3):
        optimizer.zero_grad()
        ppo_loss(logits, torch.zeros(2), rollout, PpoSettings()).backward()
        optimizer.step()
    assert torch.equal(rollout.actions, drawn)
    assert not rollout.log_probs.requires_grad


def test_a_toy_policy_learns_the_right_answer_from_rewards_alone() -> None:
    truth = torch.tensor([1.0, 0.0, 0.0, 1.0, 0.0])
    logits = torch.zeros(5, requires_grad=True)
    values = torch.zeros(2, requires_grad=True)
    optimizer = torch.optim.Adam([logits, values], lr=0.1)
    generator = torch.Generator().manual_seed(0)
    for _ in range(80):
        rollout = draw_rollout(
            logits,
            values,
            torch.zeros(5),
            answers=Answers(truth, NO_CANDIDATES, COUNTS),
            reward=example_f1,
            samples=8,
            generator=generator,
        )
        for _ in range(3):
            optimizer.zero_grad()
            ppo_loss(logits, values, rollout, PpoSettings(kl_weight=0.01)).backward()
            optimizer.step()
    assert torch.equal((logits > 0).float(), truth)


@given(st.lists(st.floats(-6, 6), min_size=5, max_size=5), st.lists(st.floats(-6, 6), min_size=5, max_size=5))
def test_the_divergence_is_never_negative(first: list[float], second: list[float]) -> None:
    rollout = _rollout(torch.zeros(5), samples=1)
    fields = dict(zip(Rollout.__slots__, _fields(rollout), strict=True)) | {"reference_logits": torch.tensor(second)}
    assert float(divergence_term(torch.tensor(first), Rollout(**fields))) >= -1e-6
