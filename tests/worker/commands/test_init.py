import json
from pathlib import Path

import pytest
import yaml
from support.tiny_checkpoint import write_tiny_checkpoint
from typer.testing import CliRunner

from worker.checks.result import Outcome
from worker.checks.run import run_checks
from worker.cli import app
from worker.commands.init import FILES
from worker.config import load_policies, load_settings


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    result = CliRunner().invoke(app, ["init", str(tmp_path / "stream")])
    assert result.exit_code == 0, result.output
    monkeypatch.chdir(tmp_path / "stream")
    return tmp_path / "stream"


def test_every_file_is_there_and_said(folder: Path) -> None:
    assert {file.name for file in folder.iterdir()} == set(FILES)
    shown = CliRunner().invoke(app, ["init", "--force"]).output
    assert all(name in shown for name in FILES)
    assert "cd " not in shown


def test_a_file_that_is_there_is_never_overwritten_unasked(folder: Path) -> None:
    (folder / "policies.yaml").write_text("mine")
    refused = CliRunner().invoke(app, ["init"])
    assert refused.exit_code == 2
    assert "policies.yaml" in refused.output
    assert "--force" in refused.output
    assert (folder / "policies.yaml").read_text() == "mine"


async def test_the_files_pass_the_checks_that_need_no_kafka(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLICLASS_MODEL__PATH", str(write_tiny_checkpoint(folder / "tiny")))
    monkeypatch.setenv("GLICLASS_KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:1")
    results = {result.name: result async for result in run_checks(folder / "config.yaml")}
    assert results.pop("Kafka connection").outcome is Outcome.FAILED
    assert {name for name, result in results.items() if not result.ok} == set()
    assert {"configuration", "policies", "model", "label sets"} <= set(results)


def test_the_labelled_texts_belong_to_the_policy(folder: Path) -> None:
    (policy,) = load_policies(Path("policies.yaml")).tenants.values()
    rows = [json.loads(line) for line in Path("labelled.jsonl").read_text().splitlines()]
    for row in rows:
        for task, labels in row["labels"].items():
            assert set(labels) <= set(policy.tasks[task].label_names)
    assert {label for row in rows for label in row["labels"]["queue"]} == set(policy.tasks["queue"].label_names)


def test_the_messages_and_the_containers_belong_to_the_config(folder: Path) -> None:
    settings = load_settings(Path("config.yaml"))
    mapping, output = settings.input.mapping, settings.output
    messages = [json.loads(line) for line in Path("messages.jsonl").read_text().splitlines()]
    assert all(set(message) - {mapping.text[0]} == {"id", "tenant", "body"} for message in messages)
    compose = yaml.safe_load(Path("docker-compose.yml").read_text())["services"]
    (script,) = compose["topics"]["command"]
    for topic in (*settings.input.topics, output.topic, output.dead_letter_topic):
        assert topic in script
    mounted = [volume.partition(":")[0] for service in compose.values() for volume in service.get("volumes", [])]
    assert {name.removeprefix("./") for name in mounted if name.startswith("./")} <= set(FILES)
