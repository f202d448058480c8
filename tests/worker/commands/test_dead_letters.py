"""What is asked of dead letters is checked before a broker is."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from worker.cli import app

CONFIG = str(Path(__file__).parents[3] / "deploy" / "config.example.yaml")


@pytest.mark.parametrize("command", ["list", "export", "replay"])
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--since", "yesterday"], "ISO 8601"),
        (["--until", "31.10.2026"], "ISO 8601"),
        (["--since", "1h", "--until", "2h"], "is not before"),
        (["--reason", "lat"], "tenant_unknown"),
    ],
)
def test_a_filter_that_cannot_be_meant_is_refused_with_what_can(command: str, options: list[str], words: str):
    refused = CliRunner().invoke(app, ["dead-letters", command, "-c", CONFIG, *options], env={"COLUMNS": "200"})
    assert (refused.exit_code, words in refused.output) == (2, True), refused.output


@pytest.mark.parametrize("arguments", [["show", "first"], ["replay", "--id", "other-0-3"], ["export", "--id", "3"]])
def test_what_is_no_id_is_refused_with_one_that_is(arguments: list[str]):
    refused = CliRunner().invoke(app, ["dead-letters", *arguments, "-c", CONFIG])
    assert (refused.exit_code, "messages.dead-letters-3-1042" in refused.output) == (1, True)


def test_a_file_that_cannot_be_written_is_refused_first(tmp_path: Path):
    refused = CliRunner().invoke(app, ["dead-letters", "export", "-c", CONFIG, "--to", str(tmp_path)])
    assert (refused.exit_code, "is a folder" in refused.output) == (2, True)
