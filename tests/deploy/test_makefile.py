import re
import shlex
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def phony_targets() -> list[str]:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony is not None
    return phony[1].split()


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["make", "--directory", str(ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_make_alone_lists_every_target_with_its_purpose() -> None:
    listed = make().stdout
    for target in phony_targets():
        if target != "help":
            assert re.search(rf"^  make {target} +\S", listed, re.MULTILINE), target


@pytest.mark.parametrize("target", phony_targets())
def test_every_target_can_be_planned(target: str) -> None:
    plan = make("--dry-run", target)
    assert plan.returncode == 0, plan.stderr


def test_an_interpreter_that_is_too_old_or_missing_is_told_of(tmp_path: Path) -> None:
    plan = make(f"VENV={tmp_path / 'venv'}", "PYTHON=no-such-python", "install")
    assert plan.returncode != 0
    assert "no Python 3.11 or newer among: no-such-python" in plan.stderr
    assert not (tmp_path / "venv").exists()


def test_arguments_reach_the_command() -> None:
    assert "gliclass-worker demo --messages 5" in make("--dry-run", "demo", "ARGS=--messages 5").stdout


def files_of_tests(*folders: str) -> dict[str, str]:
    """Path below the root and text of every file of tests in these folders."""
    files = [file for folder in folders for file in (ROOT / folder).rglob("test_*.py")]
    return {str(file.relative_to(ROOT)): file.read_text("utf-8") for file in files}


def options(target: str) -> list[str]:
    """What a target gives pytest, run after run."""
    return shlex.split(make("--dry-run", target).stdout.replace("\\\n", " "))


PARTS = [
    ("integration", "test-integration"),
    ("integration", "test"),
    ("faults", "test-faults"),
    ("faults", "test-faults-quick"),
    ("faults", "test"),
    ("cuda", "test-cuda"),
]


@pytest.mark.parametrize(("mark", "target"), PARTS)
def test_a_part_is_looked_for_wherever_there_is_a_test_of_it(mark: str, target: str) -> None:
    (found,) = [option.removeprefix("testpaths=") for option in options(target) if option.startswith("testpaths=")]
    marked = [file for file, text in files_of_tests("tests").items() if re.search(rf"\bpytest\.mark\.{mark}\b", text)]
    assert marked
    assert [file for file in marked if not file.startswith(tuple(f"{path}/" for path in found.split()))] == []


def test_no_unit_test_is_in_a_folder_that_the_unit_part_leaves_out() -> None:
    left_out = [option.removeprefix("--ignore=") for option in options("test-unit") if option.startswith("--ignore=")]
    assert left_out
    marked = re.compile(r"^pytestmark = \[?pytest\.mark\.(integration|faults|cuda)\b", re.MULTILINE)
    assert [file for file, text in files_of_tests(*left_out).items() if not marked.search(text)] == []
