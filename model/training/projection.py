"""A few examples per label: a linear map of the text vectors of a bi-encoder, fitted by L-BFGS in seconds.

Both towers stay as they are. With unit text vectors u, label vectors v and the scale s, the map M minimises

    mean over texts of the cross-entropy of softmax(s cos(M u, v)) + prior weight / texts * |M - I|²

Labels with similar vectors move together, as all of them are read through one map: what one label's examples say also
counts for its neighbours and its synonyms. How far the examples may move the model is chosen by cross-validation: where
gold labels are noisy or the vectors hardly know the question, a weak prior would learn the noise by heart. The map
becomes part of the text projector's last layer; the checkpoint keeps its format and its speed.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from model.checkpoint import Checkpoint
from model.projectors import FeaturesProjector
from model.training.batches import bind, prepare_label_sets
from model.training.data import IGNORED, TrainingExample, check_trainable
from model.training.errors import TrainingError
from model.training.state import History, save_model
from model.training.supervised import Report, TrainingResult, report_labels_without_examples
from model.training.window import check_window

PRIOR_WEIGHTS = (300.0, 100.0, 30.0, 10.0, 3.0, 1.0)
"""From hardly a change to a free one; each fit starts where the one before it ended."""
FEWEST_FOLDS, MOST_FOLDS, TEXTS_TIMES_FOLDS = 4, 24, 2400
"""Of few texts a fit can spare hardly one; of many a few folds say enough, and each costs a fit."""
ITERATIONS, FOLD_ITERATIONS = 40, 20
BATCH_SIZE = 32


@dataclass(frozen=True, slots=True)
class Features:
    """What the frozen model makes of the examples that have a true label.

    Attributes:
        texts: unit text vectors [N, E].
        labels: label vectors [L, E] of every label of any example, after the model's normalisation.
        targets: [N, L], the share of each true label of a text; rows sum to 1.
        asked: bool [N, L], labels whose truth is known.
        scale: of the logits.
        folds: int64 [N], the part of a cross-validation that a text belongs to; equal texts are in the same.
    """

    texts: Tensor
    labels: Tensor
    targets: Tensor
    asked: Tensor
    scale: float
    folds: Tensor

    def where(self, chosen: Tensor) -> "Features":
        """Only the texts of a bool mask [N]."""
        return replace(
            self,
            texts=self.texts[chosen],
            targets=self.targets[chosen],
            asked=self.asked[chosen],
            folds=self.folds[chosen],
        )


def train_projection(
    checkpoint: Checkpoint, examples: Sequence[TrainingExample], out: Path, *, report: Report = lambda line: None
) -> TrainingResult:
    """Fit the map of `checkpoint.model` in place and write the model to `out/model`.

    The order of labels is what is learnt; where thresholds matter, `calibrate` afterwards.

    Raises:
        DataError: nothing can be learnt from the examples, or labels leave no room for a text.
        TrainingError: the model is no bi-encoder that compares text and label vectors, or the disk is full.
    """
    check_trainable(examples)
    check_window(checkpoint.model, checkpoint.tokenizers, examples, report)
    report_labels_without_examples(examples, report)
    features = frozen_features(checkpoint, examples, report)
    history = History()
    prior_weight = choose_prior_weight(features, report)
    change = fit_change(features, prior_weight, history)
    report(f"loss {history.losses[0][1]:.4f} -> {history.losses[-1][1]:.4f} in {len(history.losses)} evaluations")
    last = _text_projector(checkpoint).linear_2
    with torch.no_grad():
        mapped = torch.eye(len(change)) + change
        last.weight.copy_(mapped.to(last.weight) @ last.weight)
        last.bias.copy_(mapped.to(last.bias) @ last.bias)
    return TrainingResult(save_model(checkpoint, out / "model"), history, None, stopped_early=False)


def frozen_features(
    checkpoint: Checkpoint, examples: Sequence[TrainingExample], report: Report = lambda line: None
) -> Features:
    """Encode every text once and every label once.

    Raises:
        TrainingError: the model is none that `train_projection` takes, or its vectors are not finite.
    """
    model = checkpoint.model.eval()
    _text_projector(checkpoint)
    chosen = [example for example in examples if example.true_labels]
    label_sets = prepare_label_sets(model, checkpoint.tokenizers, chosen, frozen=True)
    columns: dict[str, int] = {}
    vectors: list[Tensor] = []
    texts, places = [], []
    for start in range(0, len(chosen), BATCH_SIZE):
        batch = chosen[start : start + BATCH_SIZE]
        bound = bind(model, checkpoint.tokenizers, batch, label_sets)
        with torch.inference_mode():
            scores = model.architecture(bound.passes)
        texts.append(scores.text.float().cpu())
        classes = scores.classes.float().cpu().split(list(bound.counts))
        for index, of_text in zip(bound.order, classes, strict=True):
            names = batch[index].label_set.shown_labels
            for name, vector in zip(names, of_text, strict=True):
                if name not in columns:
                    columns[name] = len(vectors)
                    vectors.append(vector)
            places.append((batch[index], [columns[name] for name in names]))
        report(f"{min(start + BATCH_SIZE, len(chosen))} of {len(chosen)} texts encoded")
    targets = torch.zeros(len(chosen), len(vectors))
    asked = torch.zeros(len(chosen), len(vectors), dtype=torch.bool)
    for row, (example, indices) in enumerate(places):
        truth = torch.tensor(example.targets)
        asked[row, indices] = truth != IGNORED
        targets[row, indices] = truth.clamp_min(0.0)
    targets /= targets.sum(1, keepdim=True)
    scale = model.get_parameter("model.logit_scale").item()
    folds = torch.tensor(_folds([example.text for example in chosen]))
    features = Features(torch.cat(texts).clone(), torch.stack(vectors).clone(), targets, asked, scale, folds)
    if not all(torch.isfinite(values).all() for values in (features.texts, features.labels)):
        raise TrainingError(
            "the model gives vectors that are not finite: its weights are broken, use another checkpoint"
        )
    return features


def choose_prior_weight(features: Features, report: Report = lambda line: None) -> float:
    """The one of PRIOR_WEIGHTS whose fits to the other folds give the lowest loss on each fold's own texts."""
    losses = dict.fromkeys(PRIOR_WEIGHTS, 0.0)
    width, unchanged, held = features.texts.shape[1], 0.0, 0
    for fold in features.folds.unique():
        fitted, held_out = features.where(features.folds != fold), features.where(features.folds == fold)
        if not len(fitted.texts):  # all texts are the same one: there is nothing to compare with
            return PRIOR_WEIGHTS[0]
        share = len(held_out.texts) / len(features.texts)
        change = torch.zeros(width, width)
        unchanged += share * _cross_entropy(held_out, change).item()
        for prior_weight in PRIOR_WEIGHTS:
            change = _minimise(fitted, prior_weight, change, FOLD_ITERATIONS, History())
            losses[prior_weight] += share * _cross_entropy(held_out, change).item()
        held += len(held_out.texts)
        report(f"{held} of {len(features.texts)} texts held out in turn")
    best = min(losses, key=losses.__getitem__)
    report(f"held-out loss {unchanged:.4f} -> {losses[best]:.4f} with prior weight {best:g}")
    return best


def fit_change(features: Features, prior_weight: float, history: History) -> Tensor:
    """M - I, float32 [E, E]; `history` receives the loss of every evaluation."""
    width = features.texts.shape[1]
    return _minimise(features, prior_weight, torch.zeros(width, width), ITERATIONS, history)


def _minimise(features: Features, prior_weight: float, start: Tensor, iterations: int, history: History) -> Tensor:
    change = start.clone().requires_grad_()
    optimizer = torch.optim.LBFGS([change], max_iter=iterations, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = _cross_entropy(features, change) + prior_weight * change.square().sum() / len(features.texts)
        loss.backward()
        history.losses.append((len(history.losses) + 1, loss.item()))
        return loss

    optimizer.step(closure)
    return change.detach()


def _cross_entropy(features: Features, change: Tensor) -> Tensor:
    moved = F.normalize(features.texts + features.texts @ change.T, dim=-1)
    logits = (features.scale * moved @ features.labels.T).masked_fill(~features.asked, -torch.inf)
    log_shares = logits.log_softmax(-1).masked_fill(~features.asked, 0.0)
    return -(features.targets * log_shares).sum(1).mean()


def _folds(texts: Sequence[str]) -> list[int]:
    """Parts of about the same number of different texts; without chance, so that a run can be repeated."""
    different = sorted(set(texts), key=lambda text: hashlib.sha256(text.encode()).digest())
    folds = max(FEWEST_FOLDS, min(MOST_FOLDS, TEXTS_TIMES_FOLDS // len(different)))
    fold = {text: number % folds for number, text in enumerate(different)}
    return [fold[text] for text in texts]


def _text_projector(checkpoint: Checkpoint) -> FeaturesProjector:
    """Of a bi-encoder whose logits are scale x cos(text, label).

    Raises:
        TrainingError: it is none.
    """
    config = checkpoint.config
    if config.architecture_type != "bi-encoder" or config.scorer_type != "simple" or not config.normalize_features:
        raise TrainingError(
            "trained 'projection' needs a bi-encoder with normalize_features and the scorer 'simple'; this checkpoint "
            f"is a {config.architecture_type} with the scorer {config.scorer_type!r} and normalize_features "
            f"{config.normalize_features}: train 'all', 'labels' or 'heads' of it"
        )
    projector = checkpoint.model.get_submodule("model.text_projector")
    assert isinstance(projector, FeaturesProjector)
    return projector
