from pathlib import Path

import pytest
import torch

from model.errors import ModelError
from schemas.settings import ModelSettings
from worker.device.model import load_model


def test_the_settings_decide_how_a_checkpoint_runs(tiny_checkpoint: Path):
    model = load_model(ModelSettings(path=str(tiny_checkpoint), device="cpu", dtype="float32", max_tokens=77))
    assert (model.device.type, model.dtype, model.max_tokens) == ("cpu", torch.float32, 77)


def test_bfloat16_that_moves_a_probability_beyond_the_limit_is_refused(tiny_checkpoint: Path):
    settings = ModelSettings(path=str(tiny_checkpoint), device="cpu", dtype="bfloat16", deviation_limit=1e-9)
    with pytest.raises(ModelError, match="more than deviation_limit 1e-09; use float32 or raise the limit"):
        load_model(settings)
