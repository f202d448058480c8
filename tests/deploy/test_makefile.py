import re
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
