"""Every command that a page shows exists, with the options that are shown."""

import re
import shlex
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import typer

from worker.cli import app

ROOT = Path(__file__).parents[2]
FURTHER_PAGES = ("CONTRIBUTING.md", "CHANGELOG.md", "model/starter/README.md")
CODE = re.compile(r"^```[^\n]*\n(.*?)^```$|`([^`\n]+)`", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def commands(pages: dict[str, str]) -> list[list[str]]:
    """The words of each line of code in all pages."""
    texts = [*pages.values(), *((ROOT / page).read_text("utf-8") for page in FURTHER_PAGES)]
    return [words for text in texts for words in lines_of_code(text)]


def lines_of_code(text: str) -> Iterator[list[str]]:
    for block, span in CODE.findall(text):
        for line in (block or span).splitlines():
            try:
                yield shlex.split(line, comments=True)
            except ValueError:  # an apostrophe: a line of something else
                continue


def test_every_target_of_make_exists(commands: list[list[str]]) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = {words[1] for words in commands if words[:1] == ["make"] and len(words) > 1}
    assert {"demo", "test", "lint", "test-faults"} <= targets
    assert [target for target in targets if not re.search(rf"^{target}:", makefile, re.MULTILINE)] == []


def test_every_module_that_is_run_exists_and_knows_its_options(commands: list[list[str]]) -> None:
    run = [words[2:] for words in commands if words[:2] == ["python", "-m"] and "…" not in words[2]]
    assert any(module == "benchmarks.end_to_end" for module, *_ in run)
    for module, *arguments in run:
        spec = find_spec(module)
        assert spec is not None, module
        assert spec.origin is not None, module
        source = Path(spec.origin).read_text("utf-8")
        for option in arguments:
            assert not option.startswith("--") or f'"{option}"' in source, f"{module} {option}"


def test_every_command_of_the_worker_exists_and_knows_its_options(commands: list[list[str]]) -> None:
    shown = [words[1:] for words in commands if words[:1] == ["gliclass-worker"]]
    assert ["run", "--config", "config.yaml"] in shown
    for words in shown:
        command = typer.main.get_command(app)
        for word in words:
            below = getattr(command, "commands", {})
            if word.startswith("-"):
                options = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
                assert word in options | {"--help"}, " ".join(words)
            elif below:
                assert word in below, " ".join(words)
                command = below[word]


def test_every_command_of_the_worker_is_shown(commands: list[list[str]]) -> None:
    shown = {words[1] for words in commands if words[:1] == ["gliclass-worker"] and len(words) > 1}
    assert set(getattr(typer.main.get_command(app), "commands", {})) <= shown
