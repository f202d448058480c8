"""Weights on disk: with the rights that the umask gives, so that the user of a container can read them."""

from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor


def write_safetensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write tensors as they are, made contiguous and brought to the CPU. Raises OSError or SafetensorError."""
    # save_file renames a private temporary file into place; the rights of a file made here outlive that.
    path.touch()
    mode = path.stat().st_mode
    on_cpu = {name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()}
    save_file(on_cpu, path, metadata=dict(metadata) if metadata is not None else None)
    path.chmod(mode)
