"""The two training stages of the label tower: sampled zero-shot tasks, then template self-distillation."""

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from torch.nn import functional as F

from model.training.errors import TrainingError
from model.training.starter.label_tower import LabelTower, unit_texts
from model.training.starter.tasks import SampledTask, TaskSampler
from model.training.state import save_tensors

TASKS_PER_STEP = 4
WARM_UP_STEPS = 50
LAST_RATE = 0.02
ANCHOR_WORDS = 24
ANCHOR_TEMPERATURE = 0.05
ANCHOR_WEIGHT = 1.0
DISTILLED_PER_STEP = 64
TEACHER_TEMPLATES = ("This text is about {}.", "a text labelled {}", "topic: {}", "a message about {}")
CHECKPOINT_EVERY = 50

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Anchor:
    """Words whose affinities to the texts should stay as the base has them.

    Attributes:
        words: single words and word pairs.
        vectors: their unit vectors at the start, [words, H].
    """

    words: tuple[str, ...]
    vectors: Tensor


def train_on_tasks(
    tower: LabelTower,
    sampler: TaskSampler,
    anchor: Anchor,
    *,
    steps: int,
    seed: int,
    checkpoint: Path,
    identity: str,
    report: Report,
) -> None:
    """Contrastive + binary + anchor losses on sampled tasks. Resumes exactly from `checkpoint` where one is.

    Raises:
        TrainingError: the loss is not finite, the disk is full, or `checkpoint` is broken or of a run with another
            `identity`.
    """
    optimizer = _optimizer(tower, lora_rate=3e-4, head_rate=1e-4, scale_rate=1e-2)
    started = time.monotonic()
    first = _resume(checkpoint, identity, tower, optimizer)
    for step in range(first, steps):
        generator = random.Random(f"tasks-{seed}-{step}")
        tasks = sampler.draw(generator, TASKS_PER_STEP)
        chosen = generator.sample(range(len(anchor.words)), ANCHOR_WORDS)
        loss = _task_loss(tower, tasks, [anchor.words[index] for index in chosen], anchor.vectors[chosen])
        _step(tower, optimizer, loss, _rate(step, steps))
        _after_step(step, steps, first, started, loss, report)
        if (step + 1) % CHECKPOINT_EVERY == 0 or step + 1 == steps:
            _save(checkpoint, identity, step + 1, tower, optimizer)


def distil_templates(
    tower: LabelTower,
    strings: Sequence[str],
    *,
    steps: int,
    seed: int,
    checkpoint: Path,
    identity: str,
    report: Report,
) -> None:
    """Teach the plain label what the mean over templates says; no labels, no texts. Else as `train_on_tasks`."""
    with torch.inference_mode():
        teacher = torch.cat([_ensemble(tower, strings[at : at + 256]) for at in range(0, len(strings), 256)]).clone()
    optimizer = _optimizer(tower, lora_rate=2e-4, head_rate=5e-5, scale_rate=0.0)
    started = time.monotonic()
    first = _resume(checkpoint, identity, tower, optimizer)
    for step in range(first, steps):
        chosen = random.Random(f"distil-{seed}-{step}").sample(range(len(strings)), DISTILLED_PER_STEP)
        student, target = tower([strings[index] for index in chosen]), teacher[chosen]
        loss = 10 * (1 - (student * target).sum(1)).mean()
        loss = loss + 20 * ((student @ student.T) - (target @ target.T)).square().mean()
        _step(tower, optimizer, loss, _rate(step, steps))
        _after_step(step, steps, first, started, loss, report)
        if (step + 1) % CHECKPOINT_EVERY == 0 or step + 1 == steps:
            _save(checkpoint, identity, step + 1, tower, optimizer)


def _ensemble(tower: LabelTower, strings: Sequence[str]) -> Tensor:
    vectors = [tower([template.format(string) for string in strings]) for template in TEACHER_TEMPLATES]
    return F.normalize(torch.stack(vectors).mean(0), dim=-1)


def _task_loss(tower: LabelTower, tasks: Sequence[SampledTask], words: Sequence[str], word_vectors: Tensor) -> Tensor:
    strings = [label for task in tasks for label in task.labels]
    vectors = tower([*strings, *words])
    texts = unit_texts(tower.space, torch.cat([task.texts for task in tasks]))
    losses, column, row = [], 0, 0
    for task in tasks:
        labels = vectors[column : column + len(task.labels)]
        logits = tower.logits(texts[row : row + len(task.texts)], labels)
        losses.append(_listwise(logits, task.targets) + _binary(logits, task.targets))
        column, row = column + len(task.labels), row + len(task.texts)
    before = (texts @ word_vectors.T / ANCHOR_TEMPERATURE).log_softmax(-1)
    after = (texts @ vectors[len(strings) :].T / ANCHOR_TEMPERATURE).log_softmax(-1)
    anchor = F.kl_div(after, before, log_target=True, reduction="batchmean")
    return torch.stack(losses).mean() + ANCHOR_WEIGHT * anchor


def _listwise(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of each true label against all false ones of its text."""
    negatives = logits.masked_fill(targets > 0.5, -torch.inf).logsumexp(-1, keepdim=True)
    each = F.softplus(negatives - logits)
    return (each * targets).sum() / targets.sum().clamp_min(1)


def _binary(logits: Tensor, targets: Tensor) -> Tensor:
    each = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return each.sum(-1).mean() / math.sqrt(logits.shape[1])


def _optimizer(tower: LabelTower, *, lora_rate: float, head_rate: float, scale_rate: float) -> torch.optim.AdamW:
    lora = [value for name, value in tower.named_parameters() if "lora_" in name]
    groups = [
        {"params": lora, "lr": lora_rate},
        {"params": list(tower.head.parameters()), "lr": head_rate},
        {"params": [tower.log_scale], "lr": scale_rate, "weight_decay": 0.0},
    ]
    for group in groups:
        group["peak"] = group["lr"]
    return torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=0.01)


def _rate(step: int, steps: int) -> float:
    if step < WARM_UP_STEPS:
        return (step + 1) / WARM_UP_STEPS
    return 1 - (1 - LAST_RATE) * (step - WARM_UP_STEPS) / max(1, steps - WARM_UP_STEPS)


def _step(tower: LabelTower, optimizer: torch.optim.AdamW, loss: Tensor, rate: float) -> None:
    if not torch.isfinite(loss):
        raise TrainingError("the loss is not finite; the last checkpoint is whole: lower the learning rate")
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * rate
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_([value for value in tower.parameters() if value.requires_grad], 1.0)
    optimizer.step()


def _after_step(step: int, steps: int, first: int, started: float, loss: Tensor, report: Report) -> None:
    done = step + 1
    if done % 10 == 0 or done == steps:
        seconds = (time.monotonic() - started) / (done - first)
        report(
            f"step {done}/{steps} loss {loss.item():.4f}, {seconds:.2f} s each, {seconds * (steps - done):.0f} s to go"
        )


def _save(path: Path, identity: str, step: int, tower: LabelTower, optimizer: torch.optim.AdamW) -> None:
    state = tower.trained_state()
    tensors = {f"weight.{name}": value for name, value in state.items()}
    names = {id(value): name for name, value in tower.named_parameters()}
    for value, moments in optimizer.state.items():
        for moment, tensor in moments.items():
            tensors[f"{moment}.{names[id(value)]}"] = tensor
    save_tensors(path, tensors, {"step": str(step), "identity": identity})


def _resume(path: Path, identity: str, tower: LabelTower, optimizer: torch.optim.Optimizer) -> int:
    """Load tower and optimizer from `path`; the step to go on with, 0 where there is no checkpoint."""
    if not path.is_file():
        return 0
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
            step, found = int(metadata["step"]), metadata["identity"]
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise TrainingError(f"{path}: not a training state ({error}); remove it to start anew") from error
    if found != identity:
        raise TrainingError(f"{path}: belongs to a run with another seed, data or recipe; use another folder")
    weights = {name.removeprefix("weight."): value for name, value in tensors.items() if name.startswith("weight.")}
    tower.load_trained_state(weights)
    for name, value in tower.named_parameters():
        if value.requires_grad and f"step.{name}" in tensors:
            optimizer.state[value] = {key: tensors[f"{key}.{name}"] for key in ("step", "exp_avg", "exp_avg_sq")}
    return step
