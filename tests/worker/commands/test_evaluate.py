"""`evaluate` as a user types it, on a checkpoint of a few kilobytes."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.policies import policy_file
from typer.testing import CliRunner

from model.scorer import Scorer
from worker.cli import app
from worker.content.text_classifier import Scored, TextClassifier

POLICIES = """
tenants:
  acme:
    tasks:
      kind:
        mode: single
        labels: {letters: {vowels: only vowels, mixed: null}, digits: only digits}
        threshold: 0.36
        calibration: {temperature: 0.2}
  other:
    tasks:
      kind: {mode: single, labels: [vowels, mixed, digits]}
      tone: {mode: multi, labels: [loud, "calm, quiet"]}
"""
ROWS = [("aeiou", "letters.vowels"), ("oiea", "letters.vowels"), ("1234", "digits"), ("98", "digits"), ("a1", None)]


@pytest.fixture(name="policies")
def _policies(tmp_path: Path) -> str:
    file = tmp_path / "policies.yaml"
    file.write_text(POLICIES)
    return str(file)


def _rows(tmp_path: Path, *rows: dict[str, Any]) -> str:
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return str(path)


def _labelled(tmp_path: Path, *further: dict[str, Any]) -> str:
    return _rows(tmp_path, *({"text": text, "labels": [label] if label else []} for text, label in ROWS), *further)


def _evaluate(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["evaluate", *arguments], catch_exceptions=False, env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


def _refused(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["evaluate", *arguments], env={"COLUMNS": "200"})
    assert result.exit_code in (1, 2), result.output
    return " ".join(result.output.replace("│", " ").split())


def test_a_policy_is_measured_on_what_the_worker_decides(
    tmp_path: Path, policies: str, tiny_checkpoint: Path, scorer: Scorer
) -> None:
    report = tmp_path / "report.json"
    options = ["--policy", policies, "--tenant", "acme", "--model", str(tiny_checkpoint), "--report", str(report)]
    shown = _evaluate("--data", _labelled(tmp_path, {"text": "\u200b", "labels": ["digits"]}), *options)
    written = json.loads(report.read_text())["tasks"]["kind"]
    outcomes = TextClassifier(scorer, policy_file(POLICIES), "acme", 1000).classify([text for text, _ in ROWS])
    right = none = 0
    for outcome, (_, label) in zip(outcomes, ROWS, strict=True):
        assert isinstance(outcome, Scored)
        chosen = [each.label for each in outcome.tasks["kind"].labels]
        right += chosen == ([label] if label else [])
        none += not chosen
    assert written["texts"] == 6
    assert json.loads(report.read_text())["model_digest"] == scorer.digest
    assert written["accuracy"] == pytest.approx(right / 6)
    assert written["none"]["said"] == none + 1
    assert written["dead_letters"] == {"text_empty": 1}
    assert "text_empty 1" in shown
    assert "letters.vowels" in shown


def test_several_tasks_are_measured_each_and_compared(tmp_path: Path, policies: str, tiny_checkpoint: Path) -> None:
    model, report = str(tiny_checkpoint), tmp_path / "report.json"
    row = {"text": "HA", "labels": {"kind": ["mixed"], "tone": ["loud", "calm, quiet"]}}
    data = _rows(tmp_path, row, row | {"text": "ha"})
    options = ["--policy", policies, "-t", "other", "-m", model, "--compare", model, "--report", str(report)]
    _evaluate("--data", data, *options)
    tasks = json.loads(report.read_text())["tasks"]
    assert list(tasks) == ["kind", "tone"]
    assert tasks["tone"]["macro_f1_difference"]["difference"] == 0
    assert "--task (kind, tone)" in _refused("--data", data, *options[:6], "--picture", str(tmp_path / "confusion.png"))
    picture = ["--task", "tone", "--picture", str(tmp_path / "confusion.png")]
    assert "confusion.png" in _evaluate("--data", data, *options[:6], *picture)


@pytest.mark.parametrize("option", [["--threshold", "0.3"], ["--mode", "multi"], ["--labels", "a,b"]])
def test_what_the_policy_says_cannot_be_said_beside_it(tmp_path: Path, policies: str, option: list[str]) -> None:
    said = _refused("--data", _labelled(tmp_path), "--policy", policies, "--tenant", "acme", *option)
    assert f"{option[0]}: is the policy's to say" in said


def test_a_threshold_counts_in_mode_single(tmp_path: Path, tiny_checkpoint: Path) -> None:
    report = tmp_path / "report.json"
    data = _rows(tmp_path, {"text": "aei", "labels": ["a"]}, {"text": "12", "labels": ["b"]})
    options = ["--data", data, "--labels", "a,b", "-m", str(tiny_checkpoint), "--report", str(report)]
    missed = {}
    for threshold in ("0", "1"):
        _evaluate(*options, "--mode", "single", "--threshold", threshold)
        missed[threshold] = sum(row[-1] for row in json.loads(report.read_text())["confusion"])
    assert missed == {"0": 0, "1": 2}


def test_rows_are_read_before_a_model_is_looked_for(tmp_path: Path, policies: str) -> None:
    nowhere = ["--model", str(tmp_path / "no such model")]
    unlabelled = _rows(tmp_path, {"text": "aei", "labels": ["vowels"]})
    said = _refused("--data", unlabelled, *nowhere)
    assert "rows.jsonl:1" in said
    assert "--labels" in said
    assert "--policy" in said
    misspelt = _rows(tmp_path, {"text": "aei", "labels": ["Vowels"]})
    said = _refused("--data", misspelt, "--labels", "vowels,digits", *nowhere)
    assert "rows.jsonl:1: field 'labels': unknown label 'Vowels'; did you mean 'vowels'?" in said
    said = _refused("--data", misspelt, "--policy", policies, "-t", "acme", *nowhere)
    assert "unknown label 'Vowels'; did you mean 'letters.vowels'?" in said
    invisible = _rows(tmp_path, {"text": "\u200b", "labels": ["vowels"]})
    assert "dead letter of this text (text_empty" in _refused("--data", invisible, "--labels", "vowels", *nowhere)
    unknown = _rows(tmp_path, {"text": "aei", "label": ["vowels"]})
    assert "did you mean 'labels'? Known: text, labels, all_labels" in _refused("--data", unknown, *nowhere)


def test_one_text_is_too_few_to_compare(tmp_path: Path, policies: str) -> None:
    nowhere = ["--model", str(tmp_path / "no such model"), "--compare", "another"]
    data = _rows(tmp_path, {"text": "HA", "labels": {"tone": []}})
    assert "--compare: needs at least two texts" in _refused("--data", data, "-p", policies, "-t", "other", *nowhere)
    data = _rows(tmp_path, {"text": "HA", "labels": ["loud"]})
    assert "--compare: needs at least two texts" in _refused("--data", data, "--labels", "loud,calm", *nowhere)


def test_labels_that_are_no_candidates_can_be_counted_instead(tmp_path: Path, tiny_checkpoint: Path) -> None:
    data = _rows(tmp_path, {"text": "aei", "labels": ["vowels"]}, {"text": "?", "labels": ["neither"]})
    options = ["--data", data, "--labels", "vowels,digits", "-m", str(tiny_checkpoint), "--ignore-unknown-labels"]
    assert "left out of rows, for they are no candidates: 'neither' (1)" in _evaluate(*options)


def test_macro_f1_says_which_labels_it_is_the_mean_of(tmp_path: Path, tiny_checkpoint: Path) -> None:
    data = _rows(tmp_path, {"text": "aei", "labels": ["vowels"]}, {"text": "12", "labels": ["digits"]})
    model = ["-m", str(tiny_checkpoint)]
    shown = _evaluate("--data", data, "--labels", "vowels,digits,words,signs", *model)
    assert "macro-F1 (mean over labels that some text has: 2)" in shown
    assert "macro-F1 over all labels (0 for those that no text has: 2)" in shown
    assert "over all labels" not in _evaluate("--data", data, "--labels", "vowels,digits", *model)
