"""The network by itself: the names of its weights, and what its calibrator changes."""

from pathlib import Path

import pytest
import torch
from support.reference import write_reference

from model.checkpoint import load_checkpoint
from model.training.batches import bind
from model.training.data import TrainingExample

EXAMPLE = TrainingExample("some text", ("a", "b c"), (1.0, 0.0))


@pytest.mark.parametrize("use_calibrator", [False, True])
def test_every_weight_lies_under_the_architecture_or_the_calibrator(tmp_path: Path, use_calibrator: bool) -> None:
    model = load_checkpoint(write_reference(tmp_path / "checkpoint", use_calibrator=use_calibrator)).model
    roots = {name.partition(".")[0] for name in model.state_dict()}
    assert roots == ({"model", "calibrator"} if use_calibrator else {"model"})


def test_a_calibrator_changes_the_logits_and_nothing_else(tmp_path: Path) -> None:
    folder = write_reference(tmp_path / "checkpoint", use_calibrator=True, calibrator_use_bias=True)
    checkpoint = load_checkpoint(folder)
    model = checkpoint.model
    assert model.calibrator is not None
    model.calibrator.reset_to_global_scaling(0.5, -1.0)
    passes = bind(model, checkpoint.tokenizers, [EXAMPLE]).passes
    with torch.inference_mode():
        raw, calibrated = model.architecture(passes), model(passes)
    torch.testing.assert_close(calibrated.logits, 0.5 * raw.logits - 1)
    assert torch.equal(calibrated.text, raw.text)
    assert torch.equal(calibrated.classes, raw.classes)
