"""From a trained label tower to the space that the starter is built from."""

import dataclasses
from pathlib import Path

from safetensors import SafetensorError
from torch import Tensor

from model.starter.space import Space
from model.training.errors import TrainingError
from model.training.starter.calibrator import StatisticsCalibrator
from model.training.starter.label_tower import LORA_SCALE, LabelTower


def trained_space(tower: LabelTower, calibrator: StatisticsCalibrator | None) -> Space:
    """What training changed, in the starter's own terms; LoRA's scale is multiplied into its upper factor."""
    changes: dict[str, tuple[Tensor, Tensor]] = {}
    state = tower.trained_state()
    for name, up in state.items():
        if ".lora_B." in name:
            layer = name.removeprefix("bert.").partition(".lora_B.")[0]
            changes[f"{layer}.weight"] = (up * LORA_SCALE, state[name.replace(".lora_B.", ".lora_A.")])
    return dataclasses.replace(
        tower.space,
        label_weight=state["head.weight"],
        label_shift=state["head.bias"],
        scale=float(state["log_scale"].exp()),
        tower_changes=changes,
        calibrator={} if calibrator is None else calibrator.stored(),
    )


def write_space(path: Path, space: Space) -> None:
    """Write the file whole or not at all.

    Raises:
        TrainingError: the disk is full or the folder cannot be written; what was there stays whole.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        space.write(partial)
        partial.replace(path)
    except (OSError, SafetensorError) as error:
        partial.unlink(missing_ok=True)
        raise TrainingError(f"{path}: cannot be written ({error}); what was there before is unchanged") from error
