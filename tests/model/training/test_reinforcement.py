import dataclasses
from pathlib import Path

import pytest
import torch
from support.reference import tiny_bert, write_reference

from model.checkpoint import Checkpoint, load_checkpoint
from model.training import reinforcement
from model.training.batches import score_examples
from model.training.errors import DataError, TrainingError
from model.training.feedback import Feedback
from model.training.ppo import Rollout, ppo_loss
from model.training.reinforcement import human_reward, train_from_feedback
from model.training.settings import FeedbackSettings, PpoSettings

LABELS = ("good", "bad")
FEEDBACK = [
    Feedback("fine", LABELS, accepted=("good",), rejected=("bad",)),
    Feedback("well done", LABELS, corrected=("good",)),
    Feedback("hm", LABELS, candidates=("good",)),
    Feedback("no", LABELS, rejected=("bad",)),
]
FAST = FeedbackSettings(
    epochs=12,
    batch_size=4,
    encoder_learning_rate=3e-3,
    head_learning_rate=3e-3,
    ppo=PpoSettings(kl_weight=0.01, samples=16),
)


def _checkpoint(folder: Path) -> Checkpoint:
    if not folder.exists():
        write_reference(folder, label_encoder=tiny_bert(), architecture_type="bi-encoder")
    return load_checkpoint(folder)


def test_feedback_alone_raises_the_reward_and_what_people_accepted(tmp_path: Path) -> None:
    base = _checkpoint(tmp_path / "base")
    examples = [item.example for item in FEEDBACK]
    before = torch.stack(score_examples(base.model, base.tokenizers, examples)).sigmoid().mean(0)
    result = train_from_feedback(base, FEEDBACK, tmp_path / "run", FAST)
    rewards = [value for _, value in result.history.figures]
    assert rewards[-1] > rewards[0]
    trained = load_checkpoint(result.folder)
    after = torch.stack(score_examples(trained.model, trained.tokenizers, examples)).sigmoid().mean(0)
    assert after[0] > before[0]
    assert after[1] < before[1]


def test_a_resumed_run_ends_with_the_same_weights(tmp_path: Path) -> None:
    settings = dataclasses.replace(FAST, epochs=4)
    whole = train_from_feedback(_checkpoint(tmp_path / "base"), FEEDBACK, tmp_path / "whole", settings)

    def stop(line: str) -> None:
        if line.startswith("epoch 3/"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_from_feedback(_checkpoint(tmp_path / "base"), FEEDBACK, tmp_path / "parts", settings, report=stop)
    parts = train_from_feedback(_checkpoint(tmp_path / "base"), FEEDBACK, tmp_path / "parts", settings)
    first, second = (load_checkpoint(result.folder).model.state_dict() for result in (whole, parts))
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


def test_a_heavy_penalty_keeps_the_policy_where_it_was(tmp_path: Path) -> None:
    examples = [item.example for item in FEEDBACK]
    moved = []
    for weight in (0.0, 300.0):
        base = _checkpoint(tmp_path / "base")
        before = torch.cat(score_examples(base.model, base.tokenizers, examples))
        settings = dataclasses.replace(FAST, ppo=PpoSettings(kl_weight=weight, samples=16), partial_label_weight=0.0)
        train_from_feedback(base, FEEDBACK, tmp_path / f"run{weight}", settings)
        after = torch.cat(score_examples(base.model, base.tokenizers, examples))
        moved.append(float((after.sigmoid() - before.sigmoid()).abs().mean()))
    assert moved[1] < 0.5 * moved[0]


def test_no_feedback_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no row"):
        train_from_feedback(_checkpoint(tmp_path / "base"), [], tmp_path / "run", FAST)


def test_a_run_with_other_settings_does_not_go_on(tmp_path: Path) -> None:
    train_from_feedback(_checkpoint(tmp_path / "base"), FEEDBACK, tmp_path / "run", dataclasses.replace(FAST, epochs=1))
    with pytest.raises(TrainingError, match="other settings"):
        train_from_feedback(_checkpoint(tmp_path / "base"), FEEDBACK, tmp_path / "run", FAST)


def test_the_value_head_knows_what_the_model_earns_before_the_first_update(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def spy(logits: torch.Tensor, values: torch.Tensor, rollout: Rollout, settings: PpoSettings) -> torch.Tensor:
        seen.append((values.detach(), rollout.rewards.mean(0)))
        return ppo_loss(logits, values, rollout, settings)

    monkeypatch.setattr(reinforcement, "ppo_loss", spy)
    train_from_feedback(
        _checkpoint(tmp_path / "base"),
        FEEDBACK,
        tmp_path / "run",
        dataclasses.replace(FAST, epochs=1),
        reward=lambda choice: human_reward(choice) + 3,
    )
    values, earned = seen[0]
    assert float((values - earned).abs().mean()) < 1


def test_rates_rise_and_then_fall_to_zero(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rates = []
    step = torch.optim.AdamW.step

    def spy(optimizer: torch.optim.AdamW, *arguments: object) -> None:
        rates.append(optimizer.param_groups[0]["lr"] / FAST.encoder_learning_rate)
        step(optimizer)

    monkeypatch.setattr(torch.optim.AdamW, "step", spy)
    settings = dataclasses.replace(FAST, epochs=10, warm_up_share=0.2, ppo=PpoSettings(inner_epochs=1))
    train_from_feedback(_checkpoint(tmp_path / "base"), FEEDBACK, tmp_path / "run", settings)
    assert rates[:2] == pytest.approx([0.5, 1.0])
    assert rates[2:] == sorted(rates[2:], reverse=True)
    assert rates[-1] == pytest.approx(1 / 8)
