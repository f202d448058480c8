"""The starter checkpoint: a real bi-encoder that is built on first use, from a public package and a small file here."""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

from model.errors import ModelError

VERSION = 1
"""Counts changes of how the folder is built; another version is another folder."""
SPACE_FILE = "space.safetensors"


def build_starter(cache_dir: Path | None = None, on_progress: Callable[[str], None] | None = None) -> Path:
    """The folder of the starter checkpoint, built if it is not there yet (a minute with its download).

    Args:
        cache_dir: where it is kept; $XDG_CACHE_HOME/gliclass-worker or ~/.cache/gliclass-worker when not given.
        on_progress: receives a line for each step.

    Raises:
        ModelError: the extra `demo` is not installed, or the download fails.
    """
    space_path = Path(str(files("model.starter").joinpath(SPACE_FILE)))
    root = cache_dir or default_cache_dir()
    fingerprint = hashlib.sha256(space_path.read_bytes()).hexdigest()[:8]
    folder = root / f"starter-v{VERSION}-{fingerprint}"
    if folder.is_dir():
        return folder
    # Everything heavy is imported only to build.
    from model.starter.build import write_checkpoint
    from model.starter.space import Space
    from model.starter.towers import fetch_tower

    try:
        root.mkdir(parents=True, exist_ok=True)
        (root / ".starter.lock").touch()
    except OSError as error:
        raise ModelError(
            f"{root}: cannot be written ({error.strerror}), so the starter cannot be built: set XDG_CACHE_HOME to a "
            "folder that can, or name a checkpoint"
        ) from error
    with (root / ".starter.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.is_dir():
            return folder
        tower = fetch_tower(on_progress or (lambda _: None))
        unfinished = root / ".starter-unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        try:
            unfinished.mkdir()
            write_checkpoint(unfinished, tower, Space.read(space_path), final_folder=folder)
            unfinished.rename(folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def checkpoint_or_starter(name: str | None, on_progress: Callable[[str], None] | None = None) -> str:
    """The checkpoint that was named (a folder or a hub id), or the starter's folder, built first if need be.

    Raises:
        ModelError: as `build_starter`.
    """
    return str(build_starter(on_progress=on_progress)) if name is None else name


def default_cache_dir() -> Path:
    """$XDG_CACHE_HOME/gliclass-worker, or ~/.cache/gliclass-worker; in the temporary folder for a user without home.

    Raises:
        ModelError: there is no home, and somebody else's folder is where ours would be.
    """
    if chosen := os.environ.get("XDG_CACHE_HOME"):
        return Path(chosen) / "gliclass-worker"
    try:
        return Path.home() / ".cache" / "gliclass-worker"
    except RuntimeError:
        return _without_home()


def _without_home() -> Path:
    """A folder of this user alone: what lies in the cache is loaded again."""
    folder = Path(tempfile.gettempdir()) / f"gliclass-worker-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise ModelError(
            f"no home folder, and {folder} is somebody else's: set XDG_CACHE_HOME to a folder of this user"
        )
    return folder
