"""Supervised training through the packed forward pass."""

import json
import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from model.checkpoint import Checkpoint
from model.gliclass import GliclassModel
from model.training.augmentation import Augmenter, with_in_batch_negatives
from model.training.batches import BoundBatch, bind, mixed_precision, score_examples
from model.training.data import IGNORED, LabelKnowledge, TrainingExample, check_trainable, labels_without_examples
from model.training.errors import TrainingError
from model.training.evaluation import macro_f1
from model.training.lora import add_lora, in_encoder, merge_lora
from model.training.losses import listwise_loss, multi_label_loss
from model.training.settings import LoraSettings, TrainingSettings
from model.training.state import History, load_state, run_identity, save_model, save_state
from model.training.window import check_window, fitting

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """Where the trained model lies, what happened, and the development figure of the kept weights (None without)."""

    folder: Path
    history: History
    best: float | None
    stopped_early: bool


def train(
    checkpoint: Checkpoint,
    examples: Sequence[TrainingExample],
    out: Path,
    settings: TrainingSettings,
    *,
    development: Sequence[TrainingExample] = (),
    knowledge: dict[str, LabelKnowledge] | None = None,
    report: Report = lambda line: None,
) -> TrainingResult:
    """Train `checkpoint.model` in place and write it to `out/model`; a run that was stopped goes on where it was.

    Raises:
        DataError: nothing can be learnt from the examples, or labels leave no room for a text.
        TrainingError: a step failed (its examples lie in `out/failed_batch.jsonl`), the loss is not finite, the disk is
            full, or `out` holds a run with other settings.
    """
    check_trainable(examples)
    for rows in (examples, development):
        check_window(checkpoint.model, checkpoint.tokenizers, rows, report)
    report_labels_without_examples(examples, report)
    model = checkpoint.model
    start = {name: value.detach().clone() for name, value in model.named_parameters()}
    choose_trainable(model, settings.trained, settings.lora)
    run = _Run(
        checkpoint,
        examples,
        out,
        settings=settings,
        development=development,
        knowledge=knowledge or {},
        report=report,
    )
    stopped_early = run.go()
    if development and run.state.best_weights:
        _load_trainable(model, run.state.best_weights)
    merge_lora(model)
    if settings.kept_share < 1:
        with torch.no_grad():
            for name, value in model.named_parameters():
                value.copy_(start[name] + settings.kept_share * (value - start[name]))
    model.requires_grad_(True)
    model.eval()
    folder = save_model(checkpoint, out / "model")
    return TrainingResult(folder, run.state.history, run.state.best, stopped_early)


def report_labels_without_examples(examples: Sequence[TrainingExample], report: Report) -> None:
    """Say which labels can only be learnt as false."""
    if missing := labels_without_examples(examples):
        report(f"labels true in no example, which are only learnt as false: {len(missing)}, {missing[0]!r} first")


class _Run:
    """One pass through the schedule."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        examples: Sequence[TrainingExample],
        out: Path,
        *,
        settings: TrainingSettings,
        development: Sequence[TrainingExample],
        knowledge: dict[str, LabelKnowledge],
        report: Report,
    ) -> None:
        self.model, self.tokenizers = checkpoint.model, checkpoint.tokenizers
        self.examples, self.development = examples, development
        self.out, self.settings, self.report = out, settings, report
        self.augmenter = Augmenter(settings.augmentation, examples, knowledge)
        per_update = settings.batch_size * settings.accumulation_steps
        self.updates_per_epoch = math.ceil(len(examples) / per_update)
        self.updates = self.updates_per_epoch * settings.epochs
        self.optimizer = build_optimizer(
            self.model,
            encoder_rate=settings.encoder_learning_rate,
            head_rate=settings.head_learning_rate,
            weight_decay=settings.weight_decay,
        )
        identity = run_identity(asdict(settings), [*examples, "development", *development], checkpoint.digest)
        self.state = load_state(out / "run.safetensors", self.model, self.optimizer, identity)

    def go(self) -> bool:
        """Run the updates that are left. Returns whether patience ended it."""
        first, started = self.state.update, time.monotonic()
        for update in range(first, self.updates):
            if self.settings.patience and self.state.looks_without_gain >= self.settings.patience:
                self.report(f"stopped after {update} updates: no gain in {self.settings.patience} looks")
                return True
            loss = self._update(update)
            done = update + 1
            self.state.history.losses.append((done, loss))
            each = (time.monotonic() - started) / (done - first)
            self.report(f"update {done}/{self.updates}, loss {loss:.4f}, {each * (self.updates - done):.0f} s to go")
            if done % self.settings.evaluate_every == 0 or done == self.updates:
                self._look(done)
                self.state = replace(self.state, update=done)
                save_state(self.out / "run.safetensors", self.model, self.optimizer, self.state)
        return False

    def _update(self, update: int) -> float:
        epoch, place = divmod(update, self.updates_per_epoch)
        order = list(range(len(self.examples)))
        random.Random(f"{self.settings.seed}-epoch-{epoch}").shuffle(order)
        generator = random.Random(f"{self.settings.seed}-update-{update}")
        # Seeded per update: a resumed run draws the same dropout as one that never stopped.
        torch.manual_seed(self.settings.seed * 1_000_003 + update)
        self.model.train()
        self.optimizer.zero_grad()
        size, parts = self.settings.batch_size, self.settings.accumulation_steps
        chosen = order[place * size * parts : (place + 1) * size * parts]
        batches = [chosen[at : at + size] for at in range(0, len(chosen), size)]
        total = 0.0
        for indices in batches:
            given = [self.examples[index] for index in indices]
            batch = self._fitting([self.augmenter(example, generator) for example in given], given)
            if self.settings.in_batch_negatives:
                batch = self._fitting(
                    with_in_batch_negatives(batch, self.settings.in_batch_negatives, generator), batch
                )
            total += self._backward(batch, update, 1 / len(batches))
        rate = rate_at(update, self.updates, self.settings.warm_up_share)
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * rate
        trained = [value for group in self.optimizer.param_groups for value in group["params"]]
        norm = nn.utils.clip_grad_norm_(trained, self.settings.clip_norm)
        if not torch.isfinite(norm):
            raise TrainingError(f"update {update}: a gradient is not finite; lower the learning rate")
        self.optimizer.step()
        return total

    def _fitting(self, changed: Sequence[TrainingExample], given: Sequence[TrainingExample]) -> list[TrainingExample]:
        """Added labels and descriptions must not push a text out of the window."""
        return [fitting(self.model, self.tokenizers, *pair) for pair in zip(changed, given, strict=True)]

    def _backward(self, examples: Sequence[TrainingExample], update: int, share: float) -> float:
        try:
            bound = bind(self.model, self.tokenizers, examples)
            loss = self._loss(bound) * share
            if not torch.isfinite(loss):
                raise TrainingError("the loss is not finite; lower the learning rate or look for broken rows")
            loss.backward()
        except Exception as error:
            path = self._save_failed(examples)
            raise TrainingError(f"update {update} failed: {error}. Its examples were saved to {path}") from error
        return loss.item()

    def _loss(self, bound: BoundBatch) -> Tensor:
        device = next(self.model.parameters()).device
        with mixed_precision(self.settings.dtype, device):
            logits = self.model(bound.passes).logits
        logits, targets = logits.float(), bound.targets.to(device)
        loss = multi_label_loss(
            logits,
            targets,
            gamma=self.settings.gamma,
            alpha=self.settings.alpha,
            smoothing=self.settings.smoothing,
        )
        if self.settings.listwise_weight:
            loss = loss + self.settings.listwise_weight * listwise_loss(logits, targets, bound.counts)
        return loss

    def _look(self, done: int) -> None:
        if not self.development:
            return
        figure = development_figure(score_examples(self.model, self.tokenizers, self.development), self.development)
        self.state.history.figures.append((done, figure))
        self.report(f"update {done}: macro-F1 {figure:.4f} on {len(self.development)} development examples")
        if self.state.best is None or figure > self.state.best:
            best = {name: value.detach().clone() for name, value in _trainable(self.model)}
            self.state = replace(self.state, best=figure, best_weights=best, looks_without_gain=0)
        else:
            self.state = replace(self.state, looks_without_gain=self.state.looks_without_gain + 1)

    def _save_failed(self, examples: Sequence[TrainingExample]) -> Path:
        self.out.mkdir(parents=True, exist_ok=True)
        path = self.out / "failed_batch.jsonl"
        rows = []
        for example in examples:
            truth = {
                label: None if target == IGNORED else target
                for label, target in zip(example.labels, example.targets, strict=True)
            }
            shots = [{"text": shot.text, "labels": list(shot.labels)} for shot in example.examples]
            rows.append(
                {
                    "text": example.text,
                    "all_labels": list(example.labels),
                    "true_labels": truth,
                    "prompt": example.prompt,
                    "examples": shots,
                }
            )
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path


def development_figure(logits: Sequence[Tensor], examples: Sequence[TrainingExample]) -> float:
    """Macro-F1 over label names: of the best label where every example has at most one true one, else at 0.5."""
    names = list(dict.fromkeys(label for example in examples for label in example.labels))
    column = {name: index for index, name in enumerate(names)}
    exclusive = all(len(example.true_labels) <= 1 for example in examples)
    chosen = np.zeros((len(examples), len(names)), dtype=bool)
    truth = np.zeros_like(chosen)
    for row, (scores, example) in enumerate(zip(logits, examples, strict=True)):
        picked = [int(scores.argmax())] if exclusive else (scores >= 0).nonzero().flatten().tolist()
        for index in picked:
            chosen[row, column[example.labels[index]]] = example.targets[index] != IGNORED
        for label in example.true_labels:
            truth[row, column[label]] = True
    return macro_f1(chosen, truth)


def choose_trainable(model: GliclassModel, trained: str, lora: LoraSettings | None) -> None:
    """Freeze what is not asked for; LoRA freezes the encoders beside its factors."""
    model.requires_grad_(True)
    if lora is not None:
        add_lora(model, lora)
    for name, value in model.named_parameters():
        inner = name.removeprefix("model.")
        if trained == "heads" and in_encoder(inner):
            value.requires_grad_(False)
        # In a bi-encoder the text side is its encoder and its projector; the label side keeps the shared scale.
        if trained == "labels" and inner.startswith(("encoder_model.", "text_projector.")):
            value.requires_grad_(False)


def _trainable(model: nn.Module) -> list[tuple[str, Tensor]]:
    return [(name, value) for name, value in model.named_parameters() if value.requires_grad]


def _load_trainable(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    with torch.no_grad():
        for name, value in _trainable(model):
            value.copy_(weights[name])


def build_optimizer(
    model: nn.Module, *, encoder_rate: float, head_rate: float, weight_decay: float
) -> torch.optim.AdamW:
    """Four groups: encoder and head, with and without decay (none on biases, norms and the scale)."""
    groups = []
    for encoder in (True, False):
        for decayed in (True, False):
            chosen = [
                value
                for name, value in _trainable(model)
                if in_encoder(name.removeprefix("model.")) == encoder and (value.ndim >= 2) == decayed
            ]
            rate = encoder_rate if encoder else head_rate
            groups.append({"params": chosen, "lr": rate, "peak": rate, "weight_decay": weight_decay * decayed})
    return torch.optim.AdamW([group for group in groups if group["params"]])


def rate_at(update: int, updates: int, warm_up_share: float) -> float:
    """Share of the peak learning rate: a linear warm-up, then a linear fall to zero."""
    warm_up = max(1, round(updates * warm_up_share))
    if update < warm_up:
        return (update + 1) / warm_up
    return (updates - update) / max(1, updates - warm_up)
