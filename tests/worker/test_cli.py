import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from schemas.policy import PolicyFile
from schemas.records import EnrichedRecord
from worker.cli import app, main

POLICIES = """
tenants:
  shop:
    tasks:
      queue: {mode: single, labels: [billing, shipping]}
  forum:
    tasks:
      abuse: {mode: multi, labels: {insult: a rude word, threat: null}, threshold: 0.01}
"""


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    file = tmp_path / "policies.yaml"
    file.write_text(POLICIES)
    return file


def invoke(*arguments: str, stdin: str | None = None):
    return CliRunner().invoke(app, list(arguments), input=stdin)


def test_help_names_every_command_and_version_is_a_version():
    shown = invoke("--help").output
    for command in ("run", "check", "classify", "schema", "demo"):
        assert command in shown
    assert invoke("--version").output.strip()[0].isdigit()


@pytest.mark.parametrize("name", ["policy", "config", "output", "dead-letter", "train", "feedback"])
def test_each_schema_is_a_json_schema(name: str):
    schema = json.loads(invoke("schema", name).output)
    assert schema["type"] == "object"
    assert schema["properties"]


def test_the_schemas_are_those_of_the_models():
    assert json.loads(invoke("schema", "policy").output) == PolicyFile.model_json_schema()
    assert json.loads(invoke("schema", "output").output) == EnrichedRecord.model_json_schema()


def test_classify_scores_each_argument(policies: Path, tiny_checkpoint: Path):
    result = invoke(
        "classify", "--policy", str(policies), "--tenant", "forum", "--model", str(tiny_checkpoint), "one", "two"
    )
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in result.output.splitlines() if line.startswith("{")]
    assert len(lines) == 2
    assert set(lines[0]["tasks"]["abuse"]["scores"]) == {"insult", "threat"}


@pytest.mark.parametrize("text", ["", " \n", "\u200b"])
def test_classify_says_of_which_texts_the_worker_makes_dead_letters(policies: Path, tiny_checkpoint: Path, text: str):
    result = invoke("classify", "--policy", str(policies), "-t", "forum", "-m", str(tiny_checkpoint), text)
    assert result.exit_code == 0
    assert json.loads(result.stdout)["dead_letter"]["reason"] == "text_empty"


def test_classify_takes_bytes_that_are_no_text_for_what_the_worker_does(policies: Path, tiny_checkpoint: Path):
    arguments = ["classify", "--policy", str(policies), "-t", "forum", "-m", str(tiny_checkpoint)]
    result = CliRunner().invoke(app, arguments, input=b"\xff\xfe\r\nfine\n")
    bad, good = map(json.loads, result.stdout.splitlines())
    assert bad["dead_letter"]["reason"] == "invalid_utf8"
    assert "tasks" in good


def test_classify_serves_an_unknown_tenant_with_the_default_policy(tmp_path: Path, tiny_checkpoint: Path):
    file = tmp_path / "policies.yaml"
    file.write_text("{unknown_tenant: default, default: {tasks: {a: {mode: multi, labels: [x]}}}, tenants: {}}")
    result = invoke("classify", "--policy", str(file), "--tenant", "somebody", "-m", str(tiny_checkpoint), "text")
    assert json.loads(result.stdout)["tasks"].keys() == {"a"}
    assert "the default policy serves it" in result.stderr


def test_classify_watches_the_policy_and_the_texts(
    policies: Path, tmp_path: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
):
    texts = tmp_path / "texts.txt"
    texts.write_text("one\n")
    steps = [lambda: policies.write_text(POLICIES.replace("0.01", "1")), lambda: None, lambda: None]

    def sleep(seconds: float) -> None:
        if not steps:
            raise KeyboardInterrupt
        steps.pop(0)()

    monkeypatch.setattr("worker.commands.trial.time.sleep", sleep)
    result = invoke(
        *("classify", "--policy", str(policies), "-t", "forum", "-m", str(tiny_checkpoint)),
        *("--texts", str(texts), "--watch"),
    )
    assert result.exit_code == 0, result.output
    before, after = map(json.loads, result.stdout.splitlines())
    assert (before["tasks"]["abuse"]["none"], after["tasks"]["abuse"]["none"]) == (False, True)
    assert "read again" in result.stderr


def test_the_first_words_come_before_torch_is_imported(policies: Path, tmp_path: Path):
    program = """
import sys
from worker.cli import app
assert "torch" not in sys.modules, "imported with the commands"
import typer
typer.echo = lambda line, err=False: sys.exit(f"{line} {'torch' in sys.modules}")
app(sys.argv[1:])
"""
    arguments = ["classify", "--policy", str(policies), "-t", "forum", "-m", str(tmp_path), "text"]
    ended = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)
    assert ended.stderr.strip() == f"loading the model: {tmp_path} … False"


def test_classify_reads_lines_of_standard_input(policies: Path, tiny_checkpoint: Path):
    arguments = ("classify", "--policy", str(policies), "-t", "shop", "-m", str(tiny_checkpoint))
    result = invoke(*arguments, stdin="first line\nsecond line\nthird line\n")
    assert sum(line.startswith("{") for line in result.output.splitlines()) == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "--config", "no-such-file.yaml"], "no-such-file.yaml: cannot be read"),
        (["classify", "--policy", "POLICIES", "--tenant", "shpo", "-m", "CHECKPOINT", "x"], "did you mean 'shop'?"),
        (["classify", "--policy", "POLICIES", "-m", "CHECKPOINT", "x"], "--tenant (shop, forum)"),
    ],
)
def test_a_mistake_ends_with_status_2_and_what_to_change(
    policies: Path, tiny_checkpoint: Path, arguments: list[str], said: str, monkeypatch, capsys
):
    places = {"POLICIES": str(policies), "CHECKPOINT": str(tiny_checkpoint)}
    monkeypatch.setattr("sys.argv", ["gliclass-worker", *(places.get(argument, argument) for argument in arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_a_checkpoint_that_cannot_be_loaded_ends_with_status_1_and_the_reason(policies, tmp_path, monkeypatch, capsys):
    arguments = ["classify", "--policy", str(policies), "-t", "shop", "-m", str(tmp_path), "x"]
    monkeypatch.setattr("sys.argv", ["gliclass-worker", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert "config.json" in capsys.readouterr().err
