"""What a training run needs to go on exactly where it stopped, and saving that leaves the old file whole."""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from model.checkpoint import LABEL_TOKENIZER_FOLDER, Checkpoint, save_checkpoint
from model.configuration import CONFIG_FILE
from model.files import write_safetensors
from model.training.errors import TrainingError


@dataclass(slots=True)
class History:
    """What happened: (update, loss) and (update, figure on the development examples)."""

    losses: list[tuple[int, float]] = field(default_factory=list)
    figures: list[tuple[int, float]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class RunState:
    """Where a run stands.

    Attributes:
        identity: settings, data and base; a run only goes on under the same ones.
        update: updates done.
        best: highest development figure so far, and the trainable weights that reached it.
    """

    identity: str
    update: int = 0
    best: float | None = None
    best_weights: Mapping[str, Tensor] = field(default_factory=dict)
    looks_without_gain: int = 0
    history: History = field(default_factory=History)


def run_identity(settings: Mapping[str, object], rows: Sequence[object], base: str) -> str:
    """What a run must have in common with the one it goes on from: settings, every row, the base."""
    content = hashlib.sha256("\n".join(map(repr, rows)).encode()).hexdigest()[:16]
    return json.dumps({"settings": settings, "rows": content, "base": base}, sort_keys=True)


def save_state(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, state: RunState) -> None:
    """Write trainable weights, optimizer moments and `state` as one file, atomically."""
    trainable = {name: value for name, value in model.named_parameters() if value.requires_grad}
    names = {id(value): name for name, value in trainable.items()}
    tensors = {f"weight/{name}": value.detach() for name, value in trainable.items()}
    tensors |= {f"best/{name}": value for name, value in state.best_weights.items()}
    for value, moments in optimizer.state.items():
        tensors |= {f"{moment}/{names[id(value)]}": tensor for moment, tensor in moments.items()}
    progress = {
        "identity": state.identity,
        "update": state.update,
        "best": state.best,
        "looks_without_gain": state.looks_without_gain,
        "losses": state.history.losses,
        "figures": state.history.figures,
    }
    save_tensors(path, tensors, {"progress": json.dumps(progress)})


def load_state(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, identity: str) -> RunState:
    """Put weights and moments back and return where the run stood; a fresh state where there is no file.

    Raises:
        TrainingError: the file is broken or belongs to a run with other settings.
    """
    if not path.is_file():
        return RunState(identity)
    try:
        with safe_open(path, framework="pt") as file:
            progress = json.loads(file.metadata()["progress"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, not a mapping
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise TrainingError(f"{path}: not a training state ({error}); remove it to start anew") from error
    if progress["identity"] != identity:
        raise TrainingError(
            f"{path}: belongs to a run with other settings, data or base; remove it or use another folder"
        )
    with torch.no_grad():
        for name, value in model.named_parameters():
            if value.requires_grad:
                value.copy_(tensors[f"weight/{name}"])
                moments = {
                    key: tensors[f"{key}/{name}"].to("cpu" if key == "step" else value.device)
                    for key in ("step", "exp_avg", "exp_avg_sq")
                    if f"{key}/{name}" in tensors
                }
                if moments:
                    optimizer.state[value] = moments
    best = {name.removeprefix("best/"): value for name, value in tensors.items() if name.startswith("best/")}
    history = History(
        [(int(at), loss) for at, loss in progress["losses"]], [(int(at), figure) for at, figure in progress["figures"]]
    )
    return RunState(identity, progress["update"], progress["best"], best, progress["looks_without_gain"], history)


def save_model(checkpoint: Checkpoint, folder: Path) -> Path:
    """Write a whole checkpoint folder beside `folder`, then swap it in.

    Raises:
        TrainingError: the disk is full or the folder cannot be written; the old folder stays whole.
    """
    partial, old = folder.with_name(folder.name + ".partial"), folder.with_name(folder.name + ".old")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        save_checkpoint(checkpoint, partial)
        _point_to_label_tokenizer(partial, folder)
        if folder.exists():
            shutil.rmtree(old, ignore_errors=True)
            folder.replace(old)
        partial.replace(folder)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise TrainingError(f"{folder}: cannot be written ({error}); what was there before is unchanged") from error
    shutil.rmtree(old, ignore_errors=True)
    return folder


def _point_to_label_tokenizer(written: Path, final: Path) -> None:
    """The label tokenizer's path is stored absolute: name the folder it will be in."""
    if (written / LABEL_TOKENIZER_FOLDER).is_dir():
        config = json.loads((written / CONFIG_FILE).read_text(encoding="utf-8"))
        config["label_model_name"] = str(final.resolve() / LABEL_TOKENIZER_FOLDER)
        (written / CONFIG_FILE).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write safetensors beside `path`, then rename: whatever stops this, the old file stays whole.

    Raises:
        TrainingError: the disk is full or the folder cannot be written.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_safetensors(partial, tensors, metadata)
        partial.replace(path)
    except (OSError, SafetensorError) as error:
        partial.unlink(missing_ok=True)
        raise TrainingError(f"{path}: cannot be written ({error}); what was there before is unchanged") from error
