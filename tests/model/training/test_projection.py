import dataclasses
from pathlib import Path

import pytest
import torch
from support.reference import tiny_bert, write_reference

from model.checkpoint import Checkpoint, load_checkpoint
from model.training.batches import score_examples
from model.training.data import IGNORED, TrainingExample
from model.training.errors import DataError, TrainingError
from model.training.projection import (
    FEWEST_FOLDS,
    PRIOR_WEIGHTS,
    Features,
    choose_prior_weight,
    fit_change,
    frozen_features,
    train_projection,
)
from model.training.state import History

LABELS = ("vowels", "digits", "both")
EXAMPLES = [
    TrainingExample(text, LABELS, tuple(float(label == true) for label in LABELS))
    for text, true in (
        ("aeiou", "digits"),
        ("oiea", "digits"),
        ("1234", "vowels"),
        ("987 65", "vowels"),
        ("a1 e2", "both"),
        ("i3 o4", "both"),
    )
]


def _bi_encoder(folder: Path, **fields: object) -> Checkpoint:
    settings = {"normalize_features": True, "logit_scale_init_value": 10.0, **fields}
    return load_checkpoint(
        write_reference(folder, label_encoder=tiny_bert(), architecture_type="bi-encoder", **settings)
    )


def _accuracy(checkpoint: Checkpoint, examples: list[TrainingExample]) -> float:
    logits = score_examples(checkpoint.model, checkpoint.tokenizers, examples)
    hits = [
        int(row.argmax()) == int(torch.tensor(one.targets).argmax()) for row, one in zip(logits, examples, strict=True)
    ]
    return sum(hits) / len(hits)


def _random_features(texts: int = 12, labels: int = 4, width: int = 8) -> Features:
    generator = torch.Generator().manual_seed(0)
    unit = [torch.nn.functional.normalize(torch.randn(n, width, generator=generator), dim=-1) for n in (texts, labels)]
    targets = torch.eye(labels)[torch.arange(texts) % labels]
    folds = torch.arange(texts) // labels % FEWEST_FOLDS
    return Features(unit[0], unit[1], targets, torch.ones(texts, labels, dtype=torch.bool), 10.0, folds)


def test_examples_change_the_order_of_labels_and_the_saved_model_has_it(tmp_path: Path) -> None:
    base = _bi_encoder(tmp_path / "base", logit_scale_init_value=100.0)
    assert _accuracy(base, EXAMPLES) < 1
    result = train_projection(base, EXAMPLES * 20, tmp_path / "run")
    assert _accuracy(load_checkpoint(result.folder), EXAMPLES) == 1
    losses = [loss for _, loss in result.history.losses]
    assert losses[-1] < losses[0]


def test_the_checkpoint_scores_as_the_fitted_map_says(tmp_path: Path) -> None:
    base = _bi_encoder(tmp_path / "base")
    features = frozen_features(base, EXAMPLES)
    change = fit_change(features, choose_prior_weight(features), History())
    moved = torch.nn.functional.normalize(features.texts + features.texts @ change.T, dim=-1)
    expected = features.scale * moved @ features.labels.T
    trained = load_checkpoint(train_projection(base, EXAMPLES, tmp_path / "run").folder)
    again = frozen_features(trained, EXAMPLES)
    torch.testing.assert_close(again.scale * again.texts @ again.labels.T, expected, rtol=0, atol=1e-4)


def test_only_the_last_layer_of_the_text_projector_changes(tmp_path: Path) -> None:
    base = _bi_encoder(tmp_path / "base")
    before = {name: value.clone() for name, value in base.model.state_dict().items()}
    train_projection(base, EXAMPLES, tmp_path / "run")
    changed = {name for name, value in base.model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"model.text_projector.linear_2.weight", "model.text_projector.linear_2.bias"}


def test_the_fit_is_where_its_loss_has_no_slope() -> None:
    features = _random_features()
    change = fit_change(features, 30.0, History()).requires_grad_()
    moved = torch.nn.functional.normalize(features.texts + features.texts @ change.T, dim=-1)
    logits = features.scale * moved @ features.labels.T
    loss = -(features.targets * logits.log_softmax(-1)).sum(1).mean() + 30.0 * change.square().sum() / 12
    (slope,) = torch.autograd.grad(loss, change)
    assert float(slope.abs().max()) < 1e-3


def test_a_stronger_prior_moves_the_model_less() -> None:
    features = _random_features()
    weak, strong = (float(fit_change(features, weight, History()).norm()) for weight in (1.0, 100.0))
    assert strong < 0.5 * weak


def test_what_the_vectors_know_nothing_of_is_not_learnt_by_heart() -> None:
    assert choose_prior_weight(_random_features(texts=80)) >= 10.0


def test_what_the_examples_agree_on_moves_it_far() -> None:
    features = _random_features(texts=80)
    direction = features.labels[features.targets.argmax(1)].roll(1, dims=1)
    agreeing = torch.nn.functional.normalize(features.texts + 2 * direction, dim=-1)
    assert choose_prior_weight(dataclasses.replace(features, texts=agreeing)) <= 1.0


def test_equal_texts_are_never_fitted_to_and_held_out_at_once(tmp_path: Path) -> None:
    features = frozen_features(_bi_encoder(tmp_path), EXAMPLES * 3)
    assert torch.equal(features.folds[:6], features.folds[6:12])
    assert sorted(features.folds[:6].tolist()) == [0, 1, 2, 3, 4, 5]


def test_the_choice_says_how_far_it_is_and_what_it_found(tmp_path: Path) -> None:
    said: list[str] = []
    choose_prior_weight(frozen_features(_bi_encoder(tmp_path), EXAMPLES), said.append)
    assert said[:-1] == [f"{held} of 6 texts held out in turn" for held in range(1, 7)]
    assert said[-1].startswith("held-out loss ")


def test_one_text_alone_hardly_moves_the_model(tmp_path: Path) -> None:
    assert choose_prior_weight(frozen_features(_bi_encoder(tmp_path), EXAMPLES[:1] * 5)) == PRIOR_WEIGHTS[0]


def test_labels_of_unknown_truth_say_nothing(tmp_path: Path) -> None:
    base = _bi_encoder(tmp_path / "base")
    known = [dataclasses.replace(one, labels=LABELS[:2], targets=one.targets[:2]) for one in EXAMPLES[:4]]
    unknown = [dataclasses.replace(one, targets=(*one.targets[:2], IGNORED)) for one in EXAMPLES[:4]]
    short, long = (fit_change(frozen_features(base, examples), 3.0, History()) for examples in (known, unknown))
    torch.testing.assert_close(short, long, rtol=0, atol=1e-4)


def test_another_architecture_is_refused_with_what_to_do(tmp_path: Path) -> None:
    uni = load_checkpoint(write_reference(tmp_path / "uni"))
    with pytest.raises(TrainingError, match=r"is a uni-encoder .* train 'all'"):
        train_projection(uni, EXAMPLES, tmp_path / "run")
    with pytest.raises(TrainingError, match="normalize_features False"):
        train_projection(_bi_encoder(tmp_path / "bi", normalize_features=False), EXAMPLES, tmp_path / "run")


def test_examples_without_a_true_label_are_refused(tmp_path: Path) -> None:
    nothing = [dataclasses.replace(one, targets=(0.0, 0.0, 0.0)) for one in EXAMPLES]
    with pytest.raises(DataError):
        train_projection(_bi_encoder(tmp_path / "base"), nothing, tmp_path / "run")


def test_a_label_that_is_true_in_no_example_is_named(tmp_path: Path) -> None:
    said: list[str] = []
    train_projection(_bi_encoder(tmp_path / "base"), EXAMPLES[:4], tmp_path / "run", report=said.append)
    assert "labels true in no example, which are only learnt as false: 1, 'both' first" in said


def test_broken_weights_are_said_to_be_broken_and_nothing_is_written(tmp_path: Path) -> None:
    base = _bi_encoder(tmp_path / "base")
    with torch.no_grad():
        base.model.get_parameter("model.text_projector.linear_1.weight")[0, 0] = torch.nan
    with pytest.raises(TrainingError, match="not finite: its weights are broken"):
        train_projection(base, EXAMPLES, tmp_path / "run")
    assert not (tmp_path / "run").exists()
