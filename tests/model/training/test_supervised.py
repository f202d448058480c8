import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import torch
from support.reference import tiny_bert, write_reference
from support.tiny_checkpoint import write_tiny_checkpoint

from model.checkpoint import Checkpoint, load_checkpoint
from model.training import supervised
from model.training.augmentation import Augmentation
from model.training.batches import score_examples
from model.training.data import IGNORED, TrainingExample, read_examples
from model.training.errors import DataError, TrainingError
from model.training.settings import LoraSettings, TrainingSettings
from model.training.supervised import development_figure, train

LABELS = ("vowels", "digits")
EXAMPLES = [
    TrainingExample(text, LABELS, targets)
    for text, targets in (
        ("aeiou", (1.0, 0.0)),
        ("oiea", (1.0, 0.0)),
        ("eau oui", (1.0, 0.0)),
        ("1234", (0.0, 1.0)),
        ("987 65", (0.0, 1.0)),
        ("40 2", (0.0, 1.0)),
    )
]
FAST = TrainingSettings(
    epochs=12, batch_size=3, encoder_learning_rate=3e-3, head_learning_rate=3e-3, evaluate_every=4, weight_decay=0.0
)


def _checkpoint(folder: Path, architecture: str = "uni-encoder") -> Checkpoint:
    if not folder.exists():
        write_tiny_checkpoint(folder, architecture=architecture)
    return load_checkpoint(folder)


def _wide_awake_checkpoint(folder: Path, architecture: str) -> Checkpoint:
    """Weights large enough for a few updates to show."""
    label_encoder = tiny_bert() if architecture == "bi-encoder" else None
    return load_checkpoint(write_reference(folder, label_encoder=label_encoder, architecture_type=architecture))


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_checkpoint(folder).model.state_dict()


def _assert_equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> None:
    assert first.keys() == second.keys()
    for name, value in first.items():
        torch.testing.assert_close(value, second[name], rtol=0, atol=0, msg=name)


@pytest.mark.parametrize("architecture", ["uni-encoder", "bi-encoder"])
def test_training_learns_and_the_saved_model_has_learnt(tmp_path: Path, architecture: str) -> None:
    always_vowels = [dataclasses.replace(example, targets=(1.0, 0.0)) for example in EXAMPLES]
    base = _wide_awake_checkpoint(tmp_path / "base", architecture)
    result = train(base, always_vowels, tmp_path / "run", FAST)
    losses = [loss for _, loss in result.history.losses]
    assert losses[-1] < 0.5 * losses[0]
    trained = load_checkpoint(result.folder)
    scores = score_examples(trained.model, trained.tokenizers, always_vowels)
    assert development_figure(scores, always_vowels) == 1


def test_lora_is_merged_into_the_published_names(tmp_path: Path) -> None:
    base = _checkpoint(tmp_path / "base")
    settings = dataclasses.replace(FAST, lora=LoraSettings(rank=4), epochs=20)
    result = train(base, EXAMPLES, tmp_path / "run", settings)
    trained = load_checkpoint(result.folder)
    assert trained.model.state_dict().keys() == _weights(tmp_path / "base").keys()
    query = "model.encoder_model.encoder.layer.0.attention.self.query.weight"
    change = trained.model.state_dict()[query] - _weights(tmp_path / "base")[query]
    assert change.abs().max() > 0
    assert int(torch.linalg.matrix_rank(change, rtol=1e-4)) <= 4
    embeddings = "model.encoder_model.embeddings.word_embeddings.weight"
    assert torch.equal(trained.model.state_dict()[embeddings], _weights(tmp_path / "base")[embeddings])
    assert result.history.losses[-1][1] < result.history.losses[0][1]


def test_a_resumed_run_ends_with_the_same_weights_as_one_that_never_stopped(tmp_path: Path) -> None:
    settings = dataclasses.replace(FAST, epochs=6, augmentation=Augmentation(addition=0.5, shuffle=1.0))
    whole = train(_checkpoint(tmp_path / "a"), EXAMPLES, tmp_path / "whole", settings, development=EXAMPLES)

    def stop_at(line: str) -> None:
        if line.startswith("update 10/"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(_checkpoint(tmp_path / "a"), EXAMPLES, tmp_path / "parts", settings, development=EXAMPLES, report=stop_at)
    assert not (tmp_path / "parts" / "model").exists()
    parts = train(_checkpoint(tmp_path / "a"), EXAMPLES, tmp_path / "parts", settings, development=EXAMPLES)
    _assert_equal(_weights(whole.folder), _weights(parts.folder))
    assert parts.history == whole.history


def test_a_run_with_other_settings_does_not_go_on(tmp_path: Path) -> None:
    train(_checkpoint(tmp_path / "base"), EXAMPLES, tmp_path / "run", dataclasses.replace(FAST, epochs=2))
    with pytest.raises(TrainingError, match="other settings"):
        train(_checkpoint(tmp_path / "base"), EXAMPLES, tmp_path / "run", dataclasses.replace(FAST, epochs=3))


def test_a_run_with_other_rows_of_the_same_number_does_not_go_on(tmp_path: Path) -> None:
    settings = dataclasses.replace(FAST, epochs=2)
    train(_checkpoint(tmp_path / "base"), EXAMPLES, tmp_path / "run", settings)
    others = [*EXAMPLES[1:], dataclasses.replace(EXAMPLES[0], text="iou")]
    with pytest.raises(TrainingError, match="other settings, data"):
        train(_checkpoint(tmp_path / "base"), others, tmp_path / "run", settings)


def test_a_run_does_not_go_on_from_another_architecture(tmp_path: Path) -> None:
    train(_checkpoint(tmp_path / "base"), EXAMPLES, tmp_path / "run", FAST)
    with pytest.raises(TrainingError, match="or base"):
        train(_checkpoint(tmp_path / "other", "bi-encoder"), EXAMPLES, tmp_path / "run", FAST)


def test_the_listwise_loss_counts_by_its_weight(tmp_path: Path) -> None:
    losses = []
    for weight in (0.0, 1.0):
        settings = dataclasses.replace(FAST, epochs=1, listwise_weight=weight)
        run = train(_checkpoint(tmp_path / "base"), EXAMPLES, tmp_path / f"run{weight}", settings)
        losses.append(run.history.losses[0][1])
    assert losses[1] > losses[0] + 0.3


def test_accumulated_updates_see_every_example_once_an_epoch(tmp_path: Path) -> None:
    settings = dataclasses.replace(FAST, epochs=2, batch_size=2, accumulation_steps=2)
    result = train(_checkpoint(tmp_path / "base"), EXAMPLES, tmp_path / "run", settings)
    assert len(result.history.losses) == 4


def test_patience_stops_and_keeps_the_best_weights(tmp_path: Path) -> None:
    swapped = [dataclasses.replace(example, targets=example.targets[::-1]) for example in EXAMPLES]
    settings = dataclasses.replace(FAST, epochs=200, evaluate_every=1, patience=3)
    result = train(_checkpoint(tmp_path / "base"), EXAMPLES, tmp_path / "run", settings, development=swapped)
    assert result.stopped_early
    kept = load_checkpoint(result.folder)
    figure = development_figure(score_examples(kept.model, kept.tokenizers, swapped), swapped)
    assert figure == result.best == max(value for _, value in result.history.figures)


def test_a_kept_share_of_zero_gives_the_base_back(tmp_path: Path) -> None:
    settings = dataclasses.replace(FAST, epochs=2, kept_share=0.0)
    result = train(_checkpoint(tmp_path / "base"), EXAMPLES, tmp_path / "run", settings)
    _assert_equal(_weights(result.folder), _weights(tmp_path / "base"))


def test_training_the_label_side_leaves_the_text_tower_alone(tmp_path: Path) -> None:
    settings = dataclasses.replace(FAST, epochs=2, trained="labels")
    result = train(_checkpoint(tmp_path / "base", "bi-encoder"), EXAMPLES, tmp_path / "run", settings)
    before, after = _weights(tmp_path / "base"), _weights(result.folder)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert any(name.startswith("model.label_encoder") for name in changed)
    assert not any(name.startswith("model.encoder_model") for name in changed)


def test_a_failing_step_stops_the_run_and_saves_its_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> torch.Tensor:
        raise RuntimeError("out of luck")

    monkeypatch.setattr(supervised, "multi_label_loss", fail)
    with pytest.raises(TrainingError, match=r"out of luck.*failed_batch\.jsonl"):
        train(_checkpoint(tmp_path / "base"), EXAMPLES, tmp_path / "run", FAST)
    saved = list(read_examples(tmp_path / "run" / "failed_batch.jsonl"))
    assert len(saved) == 3
    assert all(example in EXAMPLES for example in saved)


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loss = supervised.multi_label_loss
    monkeypatch.setattr(supervised, "multi_label_loss", lambda *args, **options: loss(*args, **options) * float("nan"))
    with pytest.raises(TrainingError, match="not finite"):
        train(_checkpoint(tmp_path / "base"), EXAMPLES, tmp_path / "run", FAST)
    assert not (tmp_path / "run" / "model").exists()


def test_an_unknown_target_survives_the_saved_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    examples = [*EXAMPLES, TrainingExample("a1", LABELS, (1.0, IGNORED))]
    settings = dataclasses.replace(FAST, batch_size=7)
    monkeypatch.setattr(supervised, "multi_label_loss", lambda *_, **__: 1 / 0)
    with pytest.raises(TrainingError):
        train(_checkpoint(tmp_path / "base"), examples, tmp_path / "run", settings)
    rows = [json.loads(line) for line in (tmp_path / "run" / "failed_batch.jsonl").read_text().splitlines()]
    assert {"vowels": 1.0, "digits": None} in [row["true_labels"] for row in rows]


def test_a_full_disk_leaves_the_model_that_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = dataclasses.replace(FAST, epochs=2)
    result = train(_checkpoint(tmp_path / "base"), EXAMPLES, tmp_path / "run", settings)
    before = _weights(result.folder)
    (tmp_path / "run" / "run.safetensors").unlink()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("model.checkpoint.write_safetensors", full)
    with pytest.raises(TrainingError, match="No space left"):
        train(_checkpoint(tmp_path / "base"), EXAMPLES, tmp_path / "run", dataclasses.replace(settings, seed=5))
    _assert_equal(_weights(result.folder), before)
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["model", "run.safetensors"]


def test_a_trained_bi_encoder_can_be_moved(tmp_path: Path) -> None:
    result = train(
        _checkpoint(tmp_path / "base", "bi-encoder"), EXAMPLES, tmp_path / "run", dataclasses.replace(FAST, epochs=1)
    )
    shutil.copytree(result.folder, tmp_path / "moved")
    shutil.rmtree(tmp_path / "run")
    assert load_checkpoint(tmp_path / "moved").config.architecture_type == "bi-encoder"


def test_nothing_to_learn_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="false"):
        train(_checkpoint(tmp_path / "base"), [TrainingExample("a", LABELS, (0.0, 0.0))], tmp_path / "run", FAST)
    assert not (tmp_path / "run").exists()


def test_labels_that_are_never_true_are_reported(tmp_path: Path) -> None:
    lines: list[str] = []
    examples = [
        dataclasses.replace(example, labels=(*LABELS, "other"), targets=(*example.targets, 0.0)) for example in EXAMPLES
    ]
    train(
        _checkpoint(tmp_path / "base"),
        examples,
        tmp_path / "run",
        dataclasses.replace(FAST, epochs=1),
        report=lines.append,
    )
    assert "'other'" in lines[0]
