from dataclasses import replace

import pytest

from model.training.errors import DataError
from model.training.settings import FeedbackSettings, LoraSettings, PpoSettings, TrainingSettings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("encoder_learning_rate", -1.0),
        ("head_learning_rate", float("nan")),
        ("weight_decay", float("inf")),
        ("clip_norm", 0.0),
        ("gamma", -1.0),
        ("alpha", 1.5),
        ("listwise_weight", float("nan")),
        ("in_batch_negatives", -1),
        ("patience", -1),
        ("trained", "tail"),
        ("dtype", "float8"),
        ("kept_share", 1.5),
    ],
)
def test_impossible_training_settings_are_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(DataError, match=name):
        replace(TrainingSettings(), **{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [("epochs", 0), ("batch_size", 0), ("trained", "everything"), ("dtype", "int8"), ("clip_norm", -1.0)],
)
def test_impossible_feedback_settings_are_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(DataError, match=name):
        replace(FeedbackSettings(), **{name: value})


@pytest.mark.parametrize("name", ["clip", "value_weight", "kl_weight", "entropy_weight"])
def test_a_negative_weight_is_refused_by_name(name: str) -> None:
    with pytest.raises(DataError, match=name):
        replace(PpoSettings(), **{name: -1.0})


@pytest.mark.parametrize(("name", "value"), [("rank", 0), ("alpha", 0), ("dropout", 1.5)])
def test_impossible_adapters_are_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(DataError, match=f"lora.{name} must be"):
        replace(LoraSettings(), **{name: value})


def test_a_refusal_names_the_range() -> None:
    with pytest.raises(DataError, match=r"^patience must be at least 0, got -1$"):
        replace(TrainingSettings(), patience=-1)
    with pytest.raises(DataError, match=r"^kept_share must be from 0 to 1, got nan$"):
        replace(TrainingSettings(), kept_share=float("nan"))
