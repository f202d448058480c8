"""A tower of two small blocks: what trains, what stays, and what the starter is built from."""

import random
from pathlib import Path

import pytest
import torch
from support.reference import tiny_bert, wordpiece_tokenizer
from tokenizers import Tokenizer
from transformers import AutoModel, BertModel

from model.checkpoint import load_checkpoint
from model.packing import ATTENTION_NAME
from model.starter.build import write_checkpoint
from model.starter.space import Space
from model.starter.towers import Tower
from model.training.batches import score_examples
from model.training.data import TrainingExample
from model.training.datasets import LabelledText
from model.training.errors import TrainingError
from model.training.starter.calibrator import ScoredTask, fit_calibrator
from model.training.starter.export import trained_space, write_space
from model.training.starter.fit import Anchor, distil_templates, train_on_tasks
from model.training.starter.label_tower import LabelTower, unit_texts
from model.training.starter.tasks import TaskSampler
from model.training.starter.text_vectors import cached_text_vectors, encode_texts
from model.training.starter.views import View

TEXTS = ["good morning", "a", "the quick brown fox jumps over it", "good", "see you", "nine"]
LABELS = ("greeting", "animal")
ROWS = [LabelledText(text, (LABELS[index % 2],)) for index, text in enumerate(TEXTS)]


def _bert() -> BertModel:
    torch.manual_seed(7)
    config = tiny_bert(initializer_range=0.2, vocab_size=len(wordpiece_tokenizer()) + 8)
    return AutoModel.from_config(config, attn_implementation=ATTENTION_NAME, add_pooling_layer=False).eval()


def _tokenizer() -> Tokenizer:
    return wordpiece_tokenizer().backend_tokenizer


def _tower(seed: int = 0) -> LabelTower:
    words = ["fox", "sun", "one", "tea", "run", "sea", "cup", "ice"]
    vectors = encode_texts(_bert(), _tokenizer(), [*TEXTS, *words], max_tokens=32)
    torch.manual_seed(seed)
    return LabelTower(_bert(), _tokenizer(), Space.label_free(vectors[: len(TEXTS)], vectors[len(TEXTS) :]))


def _sampler() -> TaskSampler:
    view = View("one", "one", "one", (("greeting",), ("animal",)), (LABELS,))
    return TaskSampler([view], {"one": ROWS}, {"one": encode_texts(_bert(), _tokenizer(), TEXTS, max_tokens=32)})


def _anchor(tower: LabelTower) -> Anchor:
    words = tuple(f"{first}{second}" for first in "abcdefgh" for second in "ijklmnop")
    with torch.no_grad():
        return Anchor(words, tower(words))


def _train(tower: LabelTower, checkpoint: Path, steps: int = 8, identity: str = "a run") -> list[str]:
    lines: list[str] = []
    train_on_tasks(
        tower,
        _sampler(),
        _anchor(_tower()),
        steps=steps,
        seed=1,
        checkpoint=checkpoint,
        identity=identity,
        report=lines.append,
    )
    return lines


def test_an_untrained_tower_gives_the_bases_vectors_whatever_the_order() -> None:
    plain = encode_texts(_bert(), _tokenizer(), TEXTS, max_tokens=32)
    with torch.no_grad():
        together = _tower().raw(TEXTS)
        alone = torch.cat([_tower().raw([text]) for text in TEXTS])
    torch.testing.assert_close(together, plain, rtol=0.05, atol=0.05)
    torch.testing.assert_close(together, alone, rtol=0.05, atol=0.05)


def test_training_changes_the_factors_and_the_head_and_nothing_else(tmp_path: Path) -> None:
    tower = _tower()
    before = {name: value.clone() for name, value in tower.state_dict().items()}
    _train(tower, tmp_path / "tasks.safetensors")
    changed = {name for name, value in tower.state_dict().items() if not torch.equal(value, before[name])}
    assert {"head.weight", "head.bias", "log_scale"} <= changed
    assert all("lora_" in name or name.startswith("head.") or name == "log_scale" for name in changed)


def test_a_resumed_run_ends_with_the_same_tensors(tmp_path: Path) -> None:
    whole, parts = _tower(), _tower()
    _train(whole, tmp_path / "whole.safetensors", steps=60)

    def stop(line: str) -> None:
        if line.startswith("step 60/"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_on_tasks(
            parts,
            _sampler(),
            _anchor(_tower()),
            steps=60,
            seed=1,
            checkpoint=tmp_path / "p.safetensors",
            identity="a run",
            report=stop,
        )
    resumed = _tower(seed=3)
    _train(resumed, tmp_path / "p.safetensors", steps=60)
    for name, value in whole.trained_state().items():
        assert torch.equal(value, resumed.trained_state()[name]), name


def test_a_run_with_another_identity_or_a_broken_file_does_not_go_on(tmp_path: Path) -> None:
    checkpoint = tmp_path / "tasks.safetensors"
    _train(_tower(), checkpoint)
    with pytest.raises(TrainingError, match="another seed"):
        _train(_tower(), checkpoint, identity="another run")
    checkpoint.write_bytes(checkpoint.read_bytes()[:100])
    with pytest.raises(TrainingError, match="not a training state"):
        _train(_tower(), checkpoint)


def test_a_full_disk_leaves_the_checkpoint_that_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = tmp_path / "tasks.safetensors"
    _train(_tower(), checkpoint)
    before = checkpoint.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("model.training.state.write_safetensors", full)
    with pytest.raises(TrainingError, match="No space left"):
        _train(_tower(), checkpoint, steps=9)
    assert checkpoint.read_bytes() == before
    assert list(tmp_path.iterdir()) == [checkpoint]


def test_keeping_nothing_of_a_change_gives_the_start_back(tmp_path: Path) -> None:
    tower = _tower()
    before = tower(LABELS).detach()
    _train(tower, tmp_path / "tasks.safetensors")
    tower.interpolate(0.0)
    with torch.no_grad():
        torch.testing.assert_close(tower(LABELS), before, rtol=0.02, atol=0.02)


def test_distillation_moves_the_plain_label_towards_its_templates(tmp_path: Path) -> None:
    tower = _tower()
    strings = [f"{first}{second}" for first in "abcdefgh" for second in "ijklmnop"]
    templates = ("{}", "This text is about {}.", "The topic is {}.")
    with torch.no_grad():
        each = torch.stack([tower([template.format(one) for one in strings]) for template in templates]).mean(0)
        before = (tower(strings) * each).sum(1).mean()
    distil_templates(
        tower,
        strings,
        steps=30,
        seed=1,
        checkpoint=tmp_path / "d.safetensors",
        identity="a run",
        report=lambda _: None,
    )
    with torch.no_grad():
        after = (tower(strings) * each).sum(1).mean()
    assert after > before


def test_the_starter_built_from_a_trained_tower_scores_as_the_tower_and_its_calibrator(tmp_path: Path) -> None:
    tower = _tower()
    _train(tower, tmp_path / "tasks.safetensors")
    vectors = encode_texts(_bert(), _tokenizer(), TEXTS, max_tokens=32)
    generator = torch.Generator().manual_seed(0)
    tasks = [
        ScoredTask(torch.randn(8, labels, generator=generator) * 4, torch.rand(8, labels, generator=generator).round())
        for labels in (2, 3, 5)
    ]
    calibrator = fit_calibrator(tasks, seed=0)
    with torch.no_grad():
        raw = tower.logits(unit_texts(tower.space, vectors), tower(LABELS))
        expected = calibrator(raw)
    write_space(tmp_path / "space.safetensors", trained_space(tower, calibrator))
    bert = _bert()
    pooler = {"pooler.dense.weight": torch.zeros(32, 32), "pooler.dense.bias": torch.zeros(32)}
    source = Tower(bert.config, dict(bert.state_dict()) | pooler, _tokenizer().to_str().encode())
    write_checkpoint(tmp_path / "starter", source, Space.read(tmp_path / "space.safetensors"))

    checkpoint = load_checkpoint(tmp_path / "starter")
    examples = [TrainingExample(text, LABELS, (1.0, 0.0)) for text in TEXTS]
    scored = torch.stack(score_examples(checkpoint.model, checkpoint.tokenizers, examples))
    torch.testing.assert_close(scored.sigmoid(), expected.sigmoid(), rtol=0.05, atol=0.03)


def test_text_vectors_are_computed_once(tmp_path: Path) -> None:
    first = cached_text_vectors(tmp_path, _bert(), _tokenizer(), "one", TEXTS, max_tokens=32)
    (path,) = tmp_path.iterdir()
    written_at = path.stat().st_mtime_ns
    second = cached_text_vectors(tmp_path, _bert(), _tokenizer(), "one", TEXTS, max_tokens=32)
    assert torch.equal(first, second)
    assert path.stat().st_mtime_ns == written_at
    cached_text_vectors(tmp_path, _bert(), _tokenizer(), "one", TEXTS[::-1], max_tokens=32)
    assert len(list(tmp_path.iterdir())) == 2


def test_sharpening_scales_and_shifts_what_the_calibrator_says() -> None:
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(random.Random(0).randrange(99)))
    calibrator = fit_calibrator([ScoredTask(logits, (logits > 0).float())], seed=0)
    with torch.no_grad():
        before = calibrator(logits)
        calibrator.sharpen(1.5, 0.25)
        torch.testing.assert_close(calibrator(logits), 1.5 * before + 0.25)
