"""Checkpoints in the published format: config.json, tokenizer files, safetensors. Read strictly, written compatibly."""

import hashlib
import json
import logging
import math
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from transformers import PreTrainedConfig

from model.architectures import Tokenizers
from model.configuration import CONFIG_FILE, GliclassConfig
from model.encoders import position_limit
from model.errors import CheckpointError
from model.files import write_safetensors
from model.gliclass import GliclassModel
from model.tokenizer import EXAMPLE_MARKER, LABEL_MARKER, SEPARATOR_MARKER, PieceTokenizer

logger = logging.getLogger(__name__)

WEIGHTS_FILE = "model.safetensors"
WEIGHTS_INDEX_FILE = "model.safetensors.index.json"
LABEL_TOKENIZER_FOLDER = "label_tokenizer"
CHECKPOINT_PATTERNS = ["*.json", "*.safetensors", "*.model", "*.txt"]
HUB_ID = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")
VOLATILE_CONFIG_FIELDS = ("_name_or_path", "dtype", "encoder_model_name", "label_model_name", "transformers_version")
IGNORED_WEIGHTS = ("position_ids", "position_embeddings")
"""Buffers that some transformers versions stored; nothing reads them from a file."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A loaded checkpoint.

    Attributes:
        folder: where it was read.
        model: float32, on the CPU, in evaluation mode.
        tokenizers: with the windows that `max_tokens` and the encoders allow.
        digest: 16 hex digits; equal for equal weights, configuration and tokenizers.
    """

    folder: Path
    config: GliclassConfig
    model: GliclassModel
    tokenizers: Tokenizers
    digest: str


def load_checkpoint(path: str | Path, *, max_tokens: int = 1024, revision: str | None = None) -> Checkpoint:
    """Load a folder, or a repository of the Hugging Face hub at `revision`.

    Raises:
        CheckpointError: naming the file or field and what to change.
    """
    folder = _folder(path, revision)
    config = GliclassConfig.read(folder)
    try:
        model = GliclassModel(config)
    except CheckpointError as error:
        raise CheckpointError(f"{folder / CONFIG_FILE}: {str(error).removeprefix(f'{CONFIG_FILE}: ')}") from error
    except (ArithmeticError, AssertionError, LookupError, RuntimeError, TypeError, ValueError) as error:
        # What torch and transformers raise for sizes that do not fit each other.
        raise CheckpointError(f"{folder / CONFIG_FILE}: no model can be built from it: {error}") from error
    files = _weight_files(folder)
    _load_weights(model, files)
    text = PieceTokenizer.read(folder)
    labels = _label_tokenizer(folder, config, revision) if model.architecture.has_label_tower else text
    _require_markers(folder, config, text, model.architecture.markers)
    _require_rows(folder, text, config.vocab_size, "vocab_size")
    if config.label_model_config is not None and labels is not text:
        _require_rows(folder, labels, config.label_model_config.vocab_size, "label_model_config.vocab_size")
    tokenizers = Tokenizers(
        text=text,
        labels=labels,
        max_tokens=_window(max_tokens, config.encoder_config),
        max_label_tokens=_window(max_tokens, config.label_model_config or config.encoder_config),
    )
    return Checkpoint(folder, config, model.eval(), tokenizers, _digest(config, files, text, labels))


def save_checkpoint(checkpoint: Checkpoint, folder: str | Path) -> Path:
    """Write a checkpoint that this package and the reference load; tokenizer files are copied from its folder."""
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    for source in checkpoint.folder.iterdir():
        is_tokenizer_file = source.is_file() and source.suffix in (".json", ".txt", ".model")
        if is_tokenizer_file and source.name not in (CONFIG_FILE, WEIGHTS_INDEX_FILE):
            shutil.copyfile(source, target / source.name)
    config = checkpoint.config.to_dict()
    config["encoder_model_name"] = config["encoder_model_name"] or checkpoint.config.encoder_config.model_type
    labels = checkpoint.folder / LABEL_TOKENIZER_FOLDER
    if labels.is_dir():
        shutil.copytree(labels, target / LABEL_TOKENIZER_FOLDER, dirs_exist_ok=True)
        # The reference loads the label tokenizer from this name, relative to where it runs.
        config["label_model_name"] = str((target / LABEL_TOKENIZER_FOLDER).resolve())
    (target / CONFIG_FILE).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    save_weights(checkpoint.model, target / WEIGHTS_FILE)
    return target


def save_weights(model: nn.Module, path: Path) -> None:
    """Write a state dict as safetensors; of tied weights only the one with the shortest name."""
    groups = _tied_groups(model)
    kept = {min(names, key=lambda name: (len(name), name)): tensor for names, tensor in groups}
    write_safetensors(path, kept, {"format": "pt"})


def _folder(path: str | Path, revision: str | None) -> Path:
    folder = _home_expanded(path)
    if folder.is_dir():
        return folder
    if folder.exists() or str(path).startswith(("/", ".", "~")):
        raise CheckpointError(f"{path}: not a folder; give a checkpoint folder or the name of a hub repository")
    from huggingface_hub import snapshot_download  # a local checkpoint must not pay for a network client

    try:
        return Path(snapshot_download(str(path), revision=revision, allow_patterns=CHECKPOINT_PATTERNS))
    except Exception as error:  # the hub client has no common base for its errors
        raise CheckpointError(f"{path}: no such folder, and the hub gave none: {error}") from error


def _home_expanded(path: str | Path) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise CheckpointError(f"{path}: {error}; write the whole path") from None


def _weight_files(folder: Path) -> list[Path]:
    if (folder / WEIGHTS_FILE).is_file():
        return [folder / WEIGHTS_FILE]
    index = folder / WEIGHTS_INDEX_FILE
    if not index.is_file():
        hint = " (pytorch_model.bin may run code when it is read: convert it to safetensors)"
        has_pickle = any(folder.glob("pytorch_model*.bin"))
        raise CheckpointError(f"{folder / WEIGHTS_FILE}: no such file{hint if has_pickle else '; fetch the weights'}")
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8-sig"))["weight_map"].values()))
    except (ValueError, KeyError, AttributeError) as error:
        raise CheckpointError(f"{index}: cannot be read: {error!r}") from error
    return [folder / name for name in names]


def _read_tensors(files: Sequence[Path]) -> Iterator[tuple[str, Tensor]]:
    for path in files:
        try:
            with safe_open(path, framework="pt") as opened:
                for name in opened.keys():  # noqa: SIM118, not a mapping
                    yield name, opened.get_tensor(name)
        except FileNotFoundError:
            raise CheckpointError(f"{path}: no such file; the weights index names it") from None
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"{path}: truncated or not safetensors ({error}); fetch the file again") from error


@torch.no_grad()
def _load_weights(model: GliclassModel, files: Sequence[Path]) -> None:
    """Copy every stored weight into the model; each must have its place, and each place its weight."""
    groups = _tied_groups(model)
    places = {name: (index, tensor) for index, (names, tensor) in enumerate(groups) for name in names}
    filled: set[int] = set()
    unexpected = []
    where = files[0]
    for name, stored in _read_tensors(files):
        if name not in places:
            if not any(ignored in name for ignored in IGNORED_WEIGHTS):
                unexpected.append(name)
            continue
        index, place = places[name]
        if stored.shape != place.shape:
            raise CheckpointError(
                f"{where}: {name} has shape {list(stored.shape)}, config.json asks for {list(place.shape)}"
            )
        if not math.isfinite(float(stored.float().sum())) and not bool(stored.float().isfinite().all()):
            raise CheckpointError(f"{where}: {name} holds NaN or infinite values; fetch the file again, or train again")
        place.copy_(stored)
        filled.add(index)
    missing = [min(names, key=len) for index, (names, _) in enumerate(groups) if index not in filled]
    if missing or unexpected:
        parts = [
            f"{len(names)} {kind} ({', '.join(sorted(names)[:5])}{', …' if len(names) > 5 else ''})"
            for kind, names in (("missing", missing), ("unexpected", unexpected))
            if names
        ]
        raise CheckpointError(f"{where}: weights do not match config.json: {' and '.join(parts)}")


def _tied_groups(model: nn.Module) -> list[tuple[list[str], Tensor]]:
    """Names of each stored tensor, with the tensor: tied parameters have several."""
    groups: dict[int, tuple[list[str], Tensor]] = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        groups.setdefault(id(tensor), ([], tensor))[0].append(name)
    return list(groups.values())


def _label_tokenizer(folder: Path, config: GliclassConfig, revision: str | None) -> PieceTokenizer:
    """From the checkpoint's own folder, or from where `label_model_name` points, as the reference does."""
    name = config.label_model_name or ""
    named = _home_expanded(name)
    for candidate in (folder / LABEL_TOKENIZER_FOLDER, named, folder / name):
        if name and (candidate / "tokenizer_config.json").is_file():
            return PieceTokenizer.read(candidate)
    if HUB_ID.fullmatch(name) and not named.is_dir():
        _require_unpinned(folder, name, revision)
    try:
        return PieceTokenizer.read(named)
    except CheckpointError as error:
        raise CheckpointError(
            f"{folder / CONFIG_FILE}: label_model_name {name!r} leads to no tokenizer; put the label tower's "
            f"tokenizer into {folder / LABEL_TOKENIZER_FOLDER} ({error})"
        ) from error


def _require_unpinned(folder: Path, name: str, revision: str | None) -> None:
    """A label tower's tokenizer in a repository of its own: `revision` cannot name a commit of both."""
    if revision is not None:
        raise CheckpointError(
            f"{folder / CONFIG_FILE}: label_model_name {name!r} is another repository of the hub, which the revision "
            f"{revision!r} does not pin, so that a push there would change decisions; pin both in one folder: download "
            f"the checkpoint (hf download … --revision {revision} --local-dir FOLDER), put the tokenizer files of "
            f"{name} into FOLDER/{LABEL_TOKENIZER_FOLDER}, and give FOLDER without a revision"
        )
    logger.warning(
        "the label tower's tokenizer is read from %s as it is on the hub today; put it into the folder %s of the "
        "checkpoint, or a push there changes decisions",
        name,
        LABEL_TOKENIZER_FOLDER,
    )


def _require_markers(folder: Path, config: GliclassConfig, tokenizer: PieceTokenizer, markers: Sequence[str]) -> None:
    separator = config.text_token_index if config.sep_token_index is None else config.sep_token_index
    indices = {
        LABEL_MARKER: ("class_token_index", config.class_token_index),
        SEPARATOR_MARKER: ("text_token_index" if config.sep_token_index is None else "sep_token_index", separator),
        EXAMPLE_MARKER: ("example_token_index", config.example_token_index),
    }
    for marker in markers:
        field, index = indices[marker]
        found = tokenizer.marker_ids.get(marker)
        if found is None:
            raise CheckpointError(
                f"{folder}: the tokenizer has no {marker}; add it as a special token with the id {field} ({index})"
            )
        if found != index:
            raise CheckpointError(f"{folder}: {marker} is token {found} and {field} is {index}; they must be equal")


def _require_rows(folder: Path, tokenizer: PieceTokenizer, rows: int, field: str) -> None:
    """Every token has its row in the embedding table."""
    if tokenizer.largest_id >= rows:
        raise CheckpointError(
            f"{folder}: the tokenizer knows token {tokenizer.largest_id} and the embedding table has {field} {rows} "
            "rows; save the tokenizer that the model was trained with, or resize the embeddings"
        )


def _window(max_tokens: int, encoder_config: PreTrainedConfig) -> int:
    limit = position_limit(encoder_config)
    return max_tokens if limit is None else min(max_tokens, limit)


def _digest(config: GliclassConfig, files: Sequence[Path], *tokenizers: PieceTokenizer) -> str:
    hasher = hashlib.sha256(json.dumps(_stable(config.to_dict()), sort_keys=True, default=str).encode())
    for tokenizer in tokenizers:
        hasher.update(tokenizer.to_json().encode())
    for path in files:
        with path.open("rb") as opened:
            hasher.update(hashlib.file_digest(opened, "sha256").digest())
    return hasher.hexdigest()[:16]


def _stable(values: Mapping[str, object]) -> dict[str, object]:
    """Without the fields that name paths and versions."""
    return {
        name: _stable(value) if isinstance(value, dict) else value
        for name, value in values.items()
        if name not in VOLATILE_CONFIG_FIELDS
    }
