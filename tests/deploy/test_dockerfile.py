import re
import subprocess
import sys
from pathlib import Path

import pytest

from worker.config import load_settings

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deploy" / "Dockerfile"


@pytest.fixture(scope="module")
def instructions() -> list[str]:
    lines = [line for line in DOCKERFILE.read_text("utf-8").splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [line.strip() for line in joined.splitlines() if line.strip()]


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    run = subprocess.run([hadolint, "--no-color", DOCKERFILE], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout + run.stderr) == (0, "")


def test_it_builds_with_the_classic_builder(instructions: list[str]) -> None:
    assert not [line for line in instructions if line.startswith("RUN --")]


def test_the_worker_does_not_run_as_root(instructions: list[str]) -> None:
    assert "USER 10001:10001" in instructions
    assert instructions.index("USER 10001:10001") < next(
        number for number, line in enumerate(instructions) if line.startswith("ENTRYPOINT")
    )


def test_what_is_copied_exists_and_is_not_ignored(instructions: list[str]) -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")}
    copied = {
        source
        for line in instructions
        if line.startswith("COPY ") and "--from" not in line
        for source in line.split()[1:-1]
    }
    assert copied == kept
    for source in copied:
        assert (ROOT / source).exists(), source


def test_its_environment_is_made_of_settings(instructions: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    (line,) = [line for line in instructions if line.startswith("ENV ") and "GLICLASS_" in line]
    for name, value in re.findall(r"(GLICLASS_\w+)=(\S+)", line):
        monkeypatch.setenv(name, value)
    settings = load_settings(ROOT / "deploy" / "config.example.yaml")
    assert settings.admin.host == "0.0.0.0"
    assert f"EXPOSE {settings.admin.port}" in instructions


def test_the_health_check_asks_whether_the_worker_lives(instructions: list[str]) -> None:
    (check,) = [line for line in instructions if line.startswith("HEALTHCHECK")]
    assert "/livez" in check


def test_the_installer_is_the_one_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    version = re.search(r"UV_VERSION := (\S+)", makefile)
    assert version is not None
    assert f"uv=={version[1]} " in DOCKERFILE.read_text("utf-8")
