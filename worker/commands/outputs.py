"""Files that a command will write: tried before its work starts, and never the reason that results are lost."""

import importlib.util
from collections.abc import Callable
from pathlib import Path

from worker.errors import ConfigurationError, OutputError


def output_file(option: str, path: Path | None) -> Path | None:
    """The file that an option names, once it is known that it can be written; missing folders are made.

    Raises:
        ConfigurationError: it cannot be written.
    """
    if path is None:
        return None
    path = path.expanduser()
    if path.is_dir():
        raise ConfigurationError(option, [f"{path} is a folder: name a file in it"])
    folder = output_folder(option, path.parent)
    assert folder is not None
    if path.exists():
        _try(option, path, lambda: path.open("ab").close())
    return path


def output_folder(option: str, path: Path | None) -> Path | None:
    """The folder that an option names, made where it is missing, once it is known that it takes files.

    Raises:
        ConfigurationError: it cannot be made or written.
    """
    if path is None:
        return None
    path = path.expanduser()
    trial = path / ".gliclass-worker.trial"

    def write() -> None:
        path.mkdir(parents=True, exist_ok=True)
        trial.write_bytes(b"")
        trial.unlink()

    _try(option, path, write)
    return path


def output_picture(option: str, path: Path | None) -> Path | None:
    """As `output_file`, for a PNG: drawing needs matplotlib."""
    if path is not None:
        require_extra(option, "matplotlib", "train")
    return output_file(option, path)


def require_extra(option: str, module: str, extra: str) -> None:
    """Raises ConfigurationError where a module of an extra is not installed."""
    if importlib.util.find_spec(module) is None:
        raise ConfigurationError(option, [f"needs {module}: pip install 'gliclass-worker[{extra}]'"])


def write_text(path: Path, content: str, instead: Callable[[str], None]) -> None:
    """Write a result; where that fails after all, `instead` is given the content, so that no work is lost.

    Raises:
        OutputError: it could not be written.
    """
    try:
        path.write_text(content, encoding="utf-8")
    except OSError as error:
        instead(content)
        raise OutputError(f"{path}: {_reason(error)}; what belongs there was printed instead") from error


def _try(option: str, path: Path, write: Callable[[], object]) -> None:
    try:
        write()
    except OSError as error:
        raise ConfigurationError(option, [f"{path} cannot be written: {_reason(error)}"]) from error


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
