from dataclasses import replace

import pytest

from model.training.errors import DataError
from model.training.settings import FeedbackSettings, PpoSettings, TrainingSettings


@pytest.mark.parametrize(
    ("name", "value"),
    [("epochs", 0), ("encoder_learning_rate", -1.0), ("trained", "tail"), ("dtype", "float8"), ("kept_share", 1.5)],
)
def test_impossible_training_settings_are_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(DataError, match=name):
        replace(TrainingSettings(), **{name: value})


@pytest.mark.parametrize(("name", "value"), [("epochs", 0), ("batch_size", 0), ("trained", "everything")])
def test_impossible_feedback_settings_are_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(DataError, match=name):
        replace(FeedbackSettings(), **{name: value})


@pytest.mark.parametrize("name", ["clip", "value_weight", "kl_weight", "entropy_weight"])
def test_a_negative_weight_is_refused_by_name(name: str) -> None:
    with pytest.raises(DataError, match=name):
        replace(PpoSettings(), **{name: -1.0})
