"""The demo refuses what it could not use before anything is started."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from worker.cli import app


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--report", "."], "is a folder"),
        (["--report", "/proc/nowhere/report.json"], "cannot be written"),
        (["--model", "nowhere"], "no such folder"),
        (["--model", "."], "no checkpoint lies there"),
        (["--rate", "0"], "must be above 0"),
    ],
)
def test_what_cannot_be_used_is_refused_at_once(
    options: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("worker.demo.run.LocalKafka", None)  # whatever starts one fails otherwise
    refused = CliRunner().invoke(app, ["demo", *options], env={"COLUMNS": "200"})
    assert (refused.exit_code, words in refused.output) == (2, True), refused.output
