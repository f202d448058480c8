import subprocess
import sys

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
