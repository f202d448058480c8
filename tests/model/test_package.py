import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

import model


def test_every_name_of_the_package_can_be_imported_from_it():
    for name in model.__all__:
        assert getattr(model, name).__name__ == name


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Scorers'"):
        _ = model.Scorers  # pyright: ignore[reportAttributeAccessIssue]


def test_the_command_line_answers_without_loading_torch():
    program = "import sys, worker.cli; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize("package", ["model", "schemas", "worker"])
def test_a_package_carries_its_types(package: str) -> None:
    assert files(package).joinpath("py.typed").is_file()


def test_the_scorer_is_found_beside_a_folder_of_the_same_name(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "__init__.py").write_text("")
    (tmp_path / "app.py").write_text("from model import Scorer\n")
    root = str(Path(model.__file__).parents[1])
    for safe, status in ("-P", 0), ("-u", 1):
        command = [sys.executable, safe, str(tmp_path / "app.py")]
        ended = subprocess.run(command, check=False, env={"PYTHONPATH": root}, capture_output=True, text=True)
        assert ended.returncode == status, ended.stderr
    assert "cannot import name 'Scorer'" in ended.stderr
