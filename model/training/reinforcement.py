"""PPO from human feedback: the model is rewarded for decisions that people agree with."""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from model.checkpoint import Checkpoint
from model.gliclass import GliclassModel
from model.head import Scores
from model.training.batches import BoundBatch, bind, mixed_precision
from model.training.errors import DataError, TrainingError
from model.training.feedback import Feedback
from model.training.lora import merge_lora
from model.training.losses import partial_label_loss
from model.training.ppo import Answers, draw_rollout, ppo_loss
from model.training.rewards import Choice, Reward, balanced_agreement, within_candidates
from model.training.settings import FeedbackSettings
from model.training.state import History, load_state, run_identity, save_model, save_state
from model.training.supervised import build_optimizer, choose_trainable, rate_at
from model.training.window import check_window

VALUE_WARM_UP_EPOCHS = 30

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class FeedbackResult:
    """Where the model lies; losses hold (update, loss), figures (epoch, mean reward of the rollouts)."""

    folder: Path
    history: History


class ValueHead(nn.Module):
    """Expected reward of a text, from its features and from how its logits look; no gradient reaches the model."""

    def __init__(self, feature_size: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(feature_size)
        self.layers = nn.Sequential(nn.Linear(feature_size + 3, 32), nn.Tanh(), nn.Linear(32, 1))
        nn.init.zeros_(self.layers[-1].weight)  # pyright: ignore[reportArgumentType]

    def forward(self, logits: Tensor, text: Tensor, counts: Sequence[int]) -> Tensor:
        """[texts] from the model's float32 logits [labels] of them, their features, and the labels of each."""
        each = logits.detach().split(list(counts))
        shape = torch.stack([torch.stack([one.max(), one.mean(), one.sigmoid().sum()]) for one in each])
        if len(text) != len(counts):  # the pooling "pass" keeps a row per token
            text = text.mean(0, keepdim=True).expand(len(counts), -1)
        return self.layers(torch.cat([self.norm(text), shape], dim=1))[:, 0]


class _Policy(nn.Module):
    def __init__(self, model: GliclassModel) -> None:
        super().__init__()
        self.model = model
        self.value_head = ValueHead(model.config.encoder_size)


def human_reward(choice: Choice) -> Tensor:
    """Agreement with what was judged, true and false labels alike, plus what candidate sets say."""
    return balanced_agreement(choice) + within_candidates(choice)


def train_from_feedback(
    checkpoint: Checkpoint,
    feedback: Sequence[Feedback],
    out: Path,
    settings: FeedbackSettings,
    *,
    reward: Reward = human_reward,
    report: Report = lambda line: None,
) -> FeedbackResult:
    """Train `checkpoint.model` in place from feedback alone and write it to `out/model`.

    The reference that the policy is held to is the model as it was given. Goes on after the last whole epoch.

    Raises:
        DataError: there is no feedback, or labels leave no room for a text.
        TrainingError: a step failed, `out` holds a run with other settings, or the disk is full.
    """
    if not feedback:
        raise DataError("the feedback file holds no row")
    check_window(checkpoint.model, checkpoint.tokenizers, [answer.example for answer in feedback], report)
    run = _Run(checkpoint, feedback, out / "run.safetensors", settings=settings, reward=reward)
    run.go(report)
    merge_lora(checkpoint.model)
    checkpoint.model.requires_grad_(True)
    return FeedbackResult(save_model(checkpoint, out / "model"), run.state.history)


@dataclass(frozen=True, slots=True)
class _Given:
    """A batch of feedback under the model as it was given; no class vectors, which would fill the memory.

    Attributes:
        items: which feedback, in the order of the rest.
        bound: its passes and targets.
        logits, text: float32 [labels] and text features on the CPU.
    """

    items: tuple[int, ...]
    bound: BoundBatch
    logits: Tensor
    text: Tensor


def _score_given(checkpoint: Checkpoint, feedback: Sequence[Feedback], batch_size: int) -> list[_Given]:
    """All feedback once through the model, which is not changed."""
    given = []
    for start in range(0, len(feedback), batch_size):
        chosen = feedback[start : start + batch_size]
        bound = bind(checkpoint.model, checkpoint.tokenizers, [item.example for item in chosen])
        with torch.no_grad():
            logits, text = _on_cpu(checkpoint.model(bound.passes))
        given.append(_Given(tuple(start + index for index in bound.order), bound, logits, text))
    return given


def _logits_by_item(given: Sequence[_Given]) -> dict[int, Tensor]:
    return {
        index: logits
        for batch in given
        for index, logits in zip(batch.items, batch.logits.split(list(batch.bound.counts)), strict=True)
    }


def _on_cpu(scores: Scores) -> tuple[Tensor, Tensor]:
    """Logits and text features: rewards and the loss are few numbers, and stay on the CPU wherever the model runs."""
    return scores.logits.float().cpu(), scores.text.detach().float().cpu()


class _Run:
    """What every update needs, and the state that they leave behind."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        feedback: Sequence[Feedback],
        state_path: Path,
        *,
        settings: FeedbackSettings,
        reward: Reward,
    ) -> None:
        model = checkpoint.model.eval()
        self.tokenizers = checkpoint.tokenizers
        self.feedback, self.settings, self.reward = feedback, settings, reward
        given = _score_given(checkpoint, feedback, settings.batch_size)
        self.reference = _logits_by_item(given)
        torch.manual_seed(settings.seed)
        self.policy = _Policy(model)
        choose_trainable(model, settings.trained, settings.lora)
        self.optimizer = build_optimizer(
            model,
            encoder_rate=settings.encoder_learning_rate,
            head_rate=settings.head_learning_rate,
            weight_decay=settings.weight_decay,
        )
        rate = settings.value_learning_rate
        value_group = {"params": list(self.policy.value_head.parameters()), "lr": rate, "peak": rate}
        self.optimizer.add_param_group(value_group | {"weight_decay": 0.0})
        self.state_path = state_path
        identity = run_identity(asdict(settings), feedback, checkpoint.digest)
        self.state = load_state(state_path, self.policy, self.optimizer, identity)
        if self.state.update == 0:
            self._fit_value_head(given)

    def go(self, report: Report) -> None:
        """Run the epochs that are left; the state is kept after each."""
        for epoch in range(self.state.update, self.settings.epochs):
            earned = self._epoch(epoch)
            self.state.history.figures.append((epoch + 1, earned))
            report(f"epoch {epoch + 1}/{self.settings.epochs}: mean reward {earned:.4f}")
            self.state = replace(self.state, update=epoch + 1)
            save_state(self.state_path, self.policy, self.optimizer, self.state)

    def _fit_value_head(self, given: Sequence[_Given]) -> None:
        """Teach the value head what the given model earns, before its expectations move the policy."""
        value_head = self.policy.value_head
        generator = torch.Generator().manual_seed(self.settings.seed)
        earned = []
        for batch in given:
            rollout = draw_rollout(
                batch.logits,
                torch.zeros(len(batch.items)),
                batch.logits,
                answers=self._answers(batch.bound, batch.items),
                reward=self.reward,
                samples=self.settings.ppo.samples,
                generator=generator,
            )
            earned.append(rollout.rewards.mean(0))
        optimizer = torch.optim.Adam(value_head.parameters(), lr=self.settings.value_learning_rate)
        for _ in range(VALUE_WARM_UP_EPOCHS):
            for batch, rewards in zip(given, earned, strict=True):
                optimizer.zero_grad()
                expected = value_head(batch.logits, batch.text, batch.bound.counts)
                (rewards - expected).square().mean().backward()
                optimizer.step()

    def _epoch(self, epoch: int) -> float:
        """All feedback once, in the epoch's own order: the mean reward of its rollouts."""
        settings, history = self.settings, self.state.history
        order = list(range(len(self.feedback)))
        random.Random(f"{settings.seed}-feedback-{epoch}").shuffle(order)
        generator = torch.Generator().manual_seed(settings.seed * 1_000_003 + epoch)
        batches = math.ceil(len(order) / settings.batch_size)
        earned = []
        for number in range(batches):
            rate = rate_at(epoch * batches + number, settings.epochs * batches, settings.warm_up_share)
            for group in self.optimizer.param_groups:
                group["lr"] = group["peak"] * rate
            chosen = order[number * settings.batch_size : (number + 1) * settings.batch_size]
            mean, losses = self._update(chosen, generator)
            earned += [mean] * len(chosen)
            history.losses += [(len(history.losses) + place, loss) for place, loss in enumerate(losses, start=1)]
        return sum(earned) / len(earned)

    def _update(self, chosen: Sequence[int], generator: torch.Generator) -> tuple[float, list[float]]:
        """One rollout of the chosen feedback and the updates from it: its mean reward and the losses."""
        policy, settings = self.policy, self.settings
        bound = bind(policy.model, self.tokenizers, [self.feedback[index].example for index in chosen])
        items = [chosen[index] for index in bound.order]
        answers = self._answers(bound, items)
        reference = torch.cat([self.reference[index] for index in items])
        rollout, losses = None, []
        device = next(policy.model.parameters()).device
        trained = [value for group in self.optimizer.param_groups for value in group["params"]]
        for _ in range(settings.ppo.inner_epochs):
            with mixed_precision(settings.dtype, device):
                logits, text = _on_cpu(policy.model(bound.passes))
            values = policy.value_head(logits, text, bound.counts)
            if rollout is None:
                rollout = draw_rollout(
                    logits.detach(),
                    values,
                    reference,
                    answers=answers,
                    reward=self.reward,
                    samples=settings.ppo.samples,
                    generator=generator,
                )
            loss = ppo_loss(logits, values, rollout, settings.ppo)
            loss = loss + settings.partial_label_weight * partial_label_loss(logits, answers.candidates, bound.counts)
            if not torch.isfinite(loss):
                raise TrainingError("the loss is not finite; lower the learning rates")
            self.optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(trained, settings.clip_norm)
            self.optimizer.step()
            losses.append(loss.item())
        assert rollout is not None
        return float(rollout.rewards.mean()), losses

    def _answers(self, bound: BoundBatch, items: Sequence[int]) -> Answers:
        """What people said of the feedback `items`, which lie in the order of `bound`."""
        answered = [self.feedback[index] for index in items]
        candidates = torch.tensor([label in item.candidates for item in answered for label in item.labels])
        return Answers(bound.targets, candidates, bound.counts)
