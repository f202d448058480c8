from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from model.scorer import Scorer
from worker.batching.cost_model import CostModel, CostSample
from worker.device.cost_measurement import CostStore, measure_cost, squared_tokens


class PacedModel:
    """A model on a clock of its own: each batch costs a fixed time and a time per token."""

    max_tokens = 512
    fixed_seconds = 0.004

    def __init__(self, seconds_per_token: float = 50e-6) -> None:
        self.seconds_per_token = seconds_per_token
        self.now = 0.0
        self.largest_batch_tokens = 0

    def prepare_unread(self, label_set: Any) -> Any:
        return label_set

    def encode(self, text: str, prepared: Sequence[Any]) -> Any:
        tokens = len(text.split()) + 6
        passes = (SimpleNamespace(token_ids=range(tokens)),)
        return SimpleNamespace(token_count=tokens, passes=passes)

    def score(self, batch: Sequence[Any]) -> None:
        tokens = sum(text.token_count for text in batch)
        self.largest_batch_tokens = max(self.largest_batch_tokens, tokens)
        self.now += self.fixed_seconds + self.seconds_per_token * tokens

    def clock(self) -> float:
        return self.now


def calibrated(model: PacedModel, budget_seconds: float) -> CostModel:
    return measure_cost(model, 8192, budget_seconds=budget_seconds, clock=model.clock)  # pyright: ignore[reportArgumentType]


def test_the_measured_device_is_found_again_in_the_cost_model():
    cost_model = calibrated(PacedModel(), budget_seconds=1000)
    assert cost_model.calibrated
    assert cost_model.predict(2000, 2000 * 64) == pytest.approx(0.104, rel=0.1)


def test_a_slow_device_is_measured_with_small_batches_within_the_budget():
    model = PacedModel(seconds_per_token=0.002)
    cost_model = calibrated(model, budget_seconds=8)
    assert model.now < 16
    assert model.largest_batch_tokens < 8192
    assert cost_model.predict(1000, 1000 * 64) == pytest.approx(2.0, rel=0.2)


def test_a_real_model_can_be_calibrated(scorer: Scorer):
    assert measure_cost(scorer, 512, budget_seconds=0.5).fixed_seconds >= 0


def test_the_squares_of_a_text_are_those_of_its_sequences():
    passes = tuple(SimpleNamespace(token_ids=range(length)) for length in (3, 4))
    assert squared_tokens(SimpleNamespace(passes=passes)) == 25  # pyright: ignore[reportArgumentType]


def test_a_stored_model_comes_back_for_the_same_device_only(scorer: Scorer, tmp_path: Path):
    store = CostStore(tmp_path / "cost-models", scorer, threads=2, usable=2)
    assert store.load() is None
    store.save(CostModel([CostSample(100, 6400, 0.01), CostSample(1000, 64000, 0.05)]))
    found = store.load()
    assert found is not None
    assert found.calibrated
    assert CostStore(tmp_path / "cost-models", scorer, threads=1, usable=2).load() is None
    assert CostStore(tmp_path / "cost-models", scorer, threads=2, usable=0.5).load() is None


def test_a_damaged_file_costs_a_calibration_and_a_folder_that_cannot_be_written_nothing(scorer: Scorer, tmp_path: Path):
    store = CostStore(tmp_path, scorer, threads=1, usable=2)
    store.save(CostModel())
    (file,) = tmp_path.iterdir()
    file.write_text("{")
    assert store.load() is None
    (tmp_path / "taken").write_text("")
    CostStore(tmp_path / "taken", scorer, threads=1, usable=2).save(CostModel())


def test_without_a_folder_nothing_is_kept_and_nothing_fails(scorer: Scorer):
    store = CostStore(None, scorer, threads=1, usable=1)
    store.save(CostModel())
    assert store.load() is None
