"""How many steps a checkpoint asks for, against the reference's choice."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from gliclass.model import GLiClassDecoderKV
from transformers import BertConfig

from model.configuration import GliclassConfig
from model.scorers.recurrent import ReasoningCell, Recurrence


def configuration(**changes: Any) -> GliclassConfig:
    return GliclassConfig(encoder_config=BertConfig(vocab_size=10), **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"recurrent_steps": 4},
        {"recurrent_steps": 4, "recurrent_inference": False},
        {"recurrent_steps": 2, "recurrent_inference_max_steps": 7},
        {"recurrent_steps": 3, "recurrent_halt_threshold": None},
        {"recurrent_steps": 3, "recurrent_halt_threshold": 0.0},
    ],
)
def test_inference_runs_as_many_steps_as_the_reference(changes: dict[str, Any]):
    config = configuration(**changes)
    model: Any = SimpleNamespace(
        scorer=SimpleNamespace(recurrent=config.recurrent_steps > 1), config=config, training=False
    )
    steps, threshold = GLiClassDecoderKV._resolve_recurrence(model)
    assert Recurrence.resolve(config, training=False) == Recurrence(steps, threshold or None)


def test_training_draws_its_depth_and_never_stops_early():
    config = configuration(recurrent_steps=4, recurrent_min_steps=2)
    drawn = [Recurrence.resolve(config, training=True) for _ in range(60)]
    assert {recurrence.steps for recurrence in drawn} == {2, 3, 4}
    assert {recurrence.halt_threshold for recurrence in drawn} == {None}


def test_a_cell_that_reads_the_text_refuses_to_run_without_it():
    cell = ReasoningCell(4, read_text=True)
    states = torch.randn(2, 4)
    with pytest.raises(ValueError, match="needs its memory"):
        cell(states, states, (2,), lambda hidden, _: hidden, None)
