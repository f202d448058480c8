"""Training the starter's calibrator.

What a logit is worth depends on how many labels there are and on how the others did. A sigmoid of one cosine cannot
know that a text was asked about 150 labels. The published calibrator can: it reads six statistics of the logits of one
label set. Only those are used here, so that it carries over to labels never seen.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.calibrator import LOGIT_FEATURES, logit_statistics
from model.scorers.groups import LabelGroups
from model.training.starter.label_tower import LabelTower, unit_texts
from model.training.starter.tasks import TaskSampler

HIDDEN_SIZE = 16
BETA_MAX = 3.0
TASKS_PER_CALL = 8
NOTHING_TRUE_SHARE = 0.15
STEPS = 1500
ORDER_WEIGHT, LEAST_SLOPE = 10.0, 0.1
ORDER_RANGE = ((1.0, 0.0), (1.5, 0.0), (1.0, 4.0), (1.0, -4.0))
"""Factors and shifts of the tasks' logits at which the order has to be kept."""


@dataclass(frozen=True, slots=True)
class ScoredTask:
    """One sampled task's logits and truth, each [texts, labels]."""

    logits: Tensor
    targets: Tensor


class StatisticsCalibrator(nn.Module):
    """The part of the published calibrator that reads logit statistics."""

    def __init__(self) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(LOGIT_FEATURES, HIDDEN_SIZE),
            nn.GELU(),
            nn.Linear(HIDDEN_SIZE, HIDDEN_SIZE),
            nn.GELU(),
            nn.Linear(HIDDEN_SIZE, 2),
        )
        self.beta_max = BETA_MAX

    def forward(self, logits: Tensor) -> Tensor:
        """Calibrated logits of [texts, labels]."""
        return self.from_statistics(statistics(logits))

    def from_statistics(self, inputs: Tensor) -> Tensor:
        """Calibrated logits of [..., 6] statistics, of which the logit itself is the first."""
        output = self.mlp(inputs)
        return self.beta_max * output[..., 0].sigmoid() * inputs[..., 0] + output[..., 1]

    @torch.no_grad()
    def sharpen(self, factor: float, shift: float) -> None:
        """Make it give factor * calibrated + shift."""
        last = self.mlp[-1]
        assert isinstance(last, nn.Linear)
        self.beta_max *= factor
        last.weight[1] *= factor
        last.bias[1] = last.bias[1] * factor + shift

    def stored(self) -> dict[str, Tensor]:
        """`Space.calibrator`: layers under the names of the published calibrator, whose dropouts count too."""
        names = {"0": "mlp.0", "2": "mlp.3", "4": "mlp.6"}
        layers = {
            f"{names[name.split('.')[0]]}.{name.split('.')[1]}": value.detach().clone()
            for name, value in self.mlp.named_parameters()
        }
        return layers | {"beta_max": torch.tensor(self.beta_max)}


def statistics(logits: Tensor) -> Tensor:
    """[texts, labels, 6] of [texts, labels]: each row is one label set."""
    texts, labels = logits.shape
    groups = LabelGroups((labels,) * texts, tuple(range(texts)))
    return logit_statistics(logits.flatten(), groups).unflatten(0, (texts, labels))


def score_tasks(tower: LabelTower, sampler: TaskSampler, *, tasks: int, seed: int) -> list[ScoredTask]:
    """Logits of sampled tasks; in some, a label is taken away so that some texts have no true one left."""
    scored = []
    for call in range(0, tasks, TASKS_PER_CALL):
        generator = random.Random(f"calibrator-{seed}-{call}")
        drawn = sampler.draw(generator, TASKS_PER_CALL)
        with torch.inference_mode():
            vectors = tower([label for task in drawn for label in task.labels])
            for task, labels in zip(drawn, vectors.split([len(task.labels) for task in drawn]), strict=True):
                logits, targets = tower.logits(unit_texts(tower.space, task.texts), labels), task.targets
                if len(task.labels) > 2 and generator.random() < NOTHING_TRUE_SHARE:
                    kept = sorted(generator.sample(range(len(task.labels)), len(task.labels) - 1))
                    logits, targets = logits[:, kept], targets[:, kept]
                scored.append(ScoredTask(logits.clone(), targets))
    return scored


def fit_calibrator(tasks: Sequence[ScoredTask], *, seed: int) -> StatisticsCalibrator:
    """Lowest binary cross-entropy over tasks, each pair of a task counting one over the root of its labels.

    Within one text the calibrated logit is a function of the logit alone; where it would fall as that rises, the order
    of the labels would change, and that is not a calibrator's business: neighbours in a text's order must stay apart.
    """
    torch.manual_seed(seed)
    calibrator = StatisticsCalibrator()
    inputs = torch.cat([statistics(task.logits).flatten(0, 1) for task in tasks])
    logits = torch.cat([task.logits.flatten() for task in tasks])
    targets = torch.cat([task.targets.flatten() for task in tasks])
    weights = torch.cat([torch.full((task.logits.numel(),), task.logits.shape[1] ** -0.5) for task in tasks])
    higher, lower = _neighbours(tasks)
    _start_standardised(calibrator, inputs)
    optimizer = torch.optim.AdamW(calibrator.parameters(), lr=5e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(STEPS):
        chosen = torch.randint(len(logits), (2048,), generator=generator)
        calibrated = calibrator.from_statistics(inputs[chosen])
        each = F.binary_cross_entropy_with_logits(calibrated, targets[chosen], reduction="none")
        loss = (each * weights[chosen]).sum() / weights[chosen].sum()
        pairs = torch.randint(len(higher), (2048,), generator=generator)
        wanted = LEAST_SLOPE * (higher[pairs, 0] - lower[pairs, 0])
        kept = calibrator.from_statistics(higher[pairs]) - calibrator.from_statistics(lower[pairs])
        loss = loss + ORDER_WEIGHT * F.relu(wanted - kept).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return calibrator


def _neighbours(tasks: Sequence[ScoredTask]) -> tuple[Tensor, Tensor]:
    """Statistics [pairs, 6] of the higher and of the lower one of labels that follow each other in a text's order.

    Also of logits further out than these tasks have any: other texts may.
    """
    higher, lower = [], []
    for task in tasks:
        for factor, shift in ORDER_RANGE:
            ordered = statistics(task.logits.sort(dim=1, descending=True).values * factor + shift)
            higher.append(ordered[:, :-1].flatten(0, 1))
            lower.append(ordered[:, 1:].flatten(0, 1))
    return torch.cat(higher), torch.cat(lower)


@torch.no_grad()
def _start_standardised(calibrator: StatisticsCalibrator, inputs: Tensor) -> None:
    """Scale the first layer to the spread of the statistics, and start near logit * 1 + 0."""
    first, last = calibrator.mlp[0], calibrator.mlp[-1]
    assert isinstance(first, nn.Linear)
    assert isinstance(last, nn.Linear)
    mean, spread = inputs.mean(0), inputs.std(0).clamp_min(1e-3)
    first.weight.div_(spread)
    first.bias.sub_(first.weight @ mean)
    last.weight.mul_(0.1)
    last.bias.copy_(torch.tensor([-0.69, 0.0]))
