"""train, evaluate and calibrate as a user types them, on a checkpoint of a few kilobytes."""

import inspect
import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from support.reference import tiny_bert, write_reference
from support.tiny_checkpoint import write_tiny_checkpoint
from typer.testing import CliRunner

from model.checkpoint import load_checkpoint
from model.training.augmentation import Augmentation
from model.training.errors import DataError
from model.training.settings import FeedbackSettings, TrainingSettings
from schemas.settings import ModelSettings
from worker.cli import app
from worker.commands.calibrate import calibrate
from worker.commands.classify import classify
from worker.commands.evaluate import evaluate
from worker.commands.served import model_settings
from worker.commands.train import train

LABELS = ["vowels", "digits"]
LABELS_SHUFFLED = Augmentation(0, 0, 0, 0, 0, shuffle=1)
TEXTS = [
    ("aeiou", "vowels"),
    ("oiea", "vowels"),
    ("uuu", "vowels"),
    ("1234", "digits"),
    ("98", "digits"),
    ("40 2", "digits"),
]


@pytest.fixture(name="model")
def _model(tmp_path: Path) -> str:
    return str(write_tiny_checkpoint(tmp_path / "tiny"))


def _rows(path: Path, rows: list[dict[str, object]]) -> str:
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return str(path)


def _data(tmp_path: Path) -> str:
    rows: list[dict[str, object]] = [
        {"text": text, "all_labels": LABELS, "true_labels": [label]} for text, label in TEXTS
    ]
    return _rows(tmp_path / "data.jsonl", rows)


def _run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_train_writes_a_checkpoint_and_a_curve(tmp_path: Path, model: str) -> None:
    _run("train", "--data", _data(tmp_path), "--out", str(tmp_path / "run"), "--model", model, "--epochs", "1")
    assert load_checkpoint(tmp_path / "run" / "model").config.architecture_type == "uni-encoder"
    assert (tmp_path / "run" / "loss.png").is_file()


def test_train_takes_feedback_instead_of_labels(tmp_path: Path, model: str) -> None:
    rows: list[dict[str, object]] = [{"text": "aei", "labels": LABELS, "accepted": ["vowels"]}]
    path = _rows(tmp_path / "feedback.jsonl", rows)
    _run("train", "--feedback", path, "--out", str(tmp_path / "run"), "--model", model, "--epochs", "1")
    assert (tmp_path / "run" / "model" / "config.json").is_file()


@pytest.mark.parametrize(
    ("source", "trainer", "expected"),
    [
        (
            "--data",
            "supervised.train",
            replace(TrainingSettings(), augmentation=LABELS_SHUFFLED),
        ),
        ("--feedback", "reinforcement.train_from_feedback", FeedbackSettings()),
    ],
)
def test_what_is_not_typed_is_the_default_of_the_settings(
    tmp_path: Path,
    model: str,
    monkeypatch: pytest.MonkeyPatch,
    source: str,
    trainer: str,
    expected: object,
) -> None:
    seen: list[object] = []

    def settings_only(checkpoint: object, rows: object, out: object, settings: object, **_: object) -> None:
        seen.append(settings)
        raise DataError("enough")

    monkeypatch.setattr(f"model.training.{trainer}", settings_only)
    rows: list[dict[str, object]] = [{"text": "aei", "labels": LABELS, "accepted": ["vowels"]}]
    path = _data(tmp_path) if source == "--data" else _rows(tmp_path / "feedback.jsonl", rows)
    result = CliRunner().invoke(app, ["train", source, path, "--out", str(tmp_path / "run"), "--model", model])
    assert "enough" in result.output
    assert seen == [expected]


def test_development_data_without_a_row_is_refused_before_training(tmp_path: Path, model: str) -> None:
    empty = _rows(tmp_path / "empty.jsonl", [])
    options = ["--data", _data(tmp_path), "--dev", empty, "--out", str(tmp_path / "run"), "--model", model]
    result = CliRunner().invoke(app, ["train", *options])
    assert result.exit_code == 1
    assert "empty.jsonl: the development data holds no row" in result.output
    assert not (tmp_path / "run").exists()


def test_evaluate_compares_two_checkpoints(tmp_path: Path, model: str) -> None:
    report, picture = tmp_path / "report.json", tmp_path / "confusion.png"
    options = ["--model", model, "--compare", model, "--report", str(report), "--picture", str(picture)]
    _run("evaluate", "--data", _data(tmp_path), *options)
    written = json.loads(report.read_text())
    assert written["texts"] == 6
    assert written["macro_f1_difference"]["difference"] == 0
    assert picture.is_file()


def test_calibrate_prints_a_patch_of_the_policy(tmp_path: Path, model: str) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(yaml.safe_dump({"tenants": {"acme": {"tasks": {"kind": {"mode": "multi", "labels": LABELS}}}}}))
    labelled = _rows(tmp_path / "labelled.jsonl", [{"text": text, "labels": [label]} for text, label in TEXTS])
    options = ["--policy", str(policy), "--labelled", labelled, "--model", model, "--picture", str(tmp_path)]
    patch = yaml.safe_load(_run("calibrate", *options))
    task = patch["tenants"]["acme"]["tasks"]["kind"]
    assert task["calibration"].keys() == {"temperature", "bias"}
    assert list(task["thresholds"]) == LABELS
    assert (tmp_path / "kind.png").is_file()


def test_a_label_the_policy_does_not_know_is_named_with_its_line(tmp_path: Path, model: str) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(yaml.safe_dump({"tenants": {"acme": {"tasks": {"kind": {"mode": "multi", "labels": LABELS}}}}}))
    labelled = _rows(tmp_path / "labelled.jsonl", [{"text": "a", "labels": ["vowel"]}])
    result = CliRunner().invoke(app, ["calibrate", "--policy", str(policy), "--labelled", labelled, "--model", model])
    assert result.exit_code == 1
    assert "labelled.jsonl:1" in result.output
    assert "vowel" in result.output


def test_train_fits_the_projection_of_a_bi_encoder_and_refuses_what_it_cannot_use(tmp_path: Path, model: str) -> None:
    bi_encoder = write_reference(
        tmp_path / "bi",
        label_encoder=tiny_bert(),
        architecture_type="bi-encoder",
        normalize_features=True,
        logit_scale_init_value=100.0,
    )
    data, out = _data(tmp_path), str(tmp_path / "run")
    options = ["--data", data, "--out", out, "--trained", "projection", "--model"]
    shown = _run("train", *options, str(bi_encoder))
    assert f"{len(TEXTS)} of {len(TEXTS)} texts encoded" in shown
    assert load_checkpoint(tmp_path / "run" / "model").digest != load_checkpoint(bi_encoder).digest
    assert (tmp_path / "run" / "loss.png").is_file()
    for refused, words in ([model], "needs a bi-encoder"), ([str(bi_encoder), "--dev", data], "leave it out"):
        result = CliRunner().invoke(app, ["train", *options, *refused])
        assert result.exit_code != 0
        assert words in " ".join(result.output.split())


def test_feedback_refuses_the_projection(tmp_path: Path, model: str) -> None:
    path = _rows(tmp_path / "feedback.jsonl", [{"text": "aei", "labels": LABELS, "accepted": ["vowels"]}])
    options = ["--feedback", path, "--out", str(tmp_path / "run"), "--model", model, "--trained", "projection"]
    result = CliRunner().invoke(app, ["train", *options])
    assert result.exit_code == 1
    assert "trained must be one of all, labels, heads with feedback" in result.output


def test_an_unknown_part_to_train_is_refused_with_all_that_there_are(tmp_path: Path, model: str) -> None:
    options = ["--data", _data(tmp_path), "--out", str(tmp_path / "run"), "--model", model, "--trained", "projecton"]
    result = CliRunner().invoke(app, ["train", *options])
    assert result.exit_code == 1
    assert "--trained must be one of all, labels, heads or projection, got 'projecton'" in result.output


@pytest.mark.parametrize(
    ("command", "option"),
    [("evaluate", "--report"), ("evaluate", "--picture"), ("calibrate", "--out"), ("check", "--save-golden")],
)
def test_an_output_that_cannot_be_written_ends_a_command_before_its_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, option: str
) -> None:
    def no_work(*_: object, **__: object) -> None:
        pytest.fail("work began before the output was tried")

    monkeypatch.setattr("model.scorer.Scorer.load", no_work)
    (tmp_path / "file").write_text("")
    policy = tmp_path / "policy.yaml"
    policy.write_text(yaml.safe_dump({"tenants": {"acme": {"tasks": {"kind": {"labels": LABELS}}}}}))
    rows = _rows(tmp_path / "rows.jsonl", [{"text": text, "labels": [label]} for text, label in TEXTS])
    given = {
        "evaluate": ["--data", rows, "--labels", "vowels,consonants"],
        "calibrate": ["--policy", str(policy), "--labelled", rows],
        "check": ["--model", str(tmp_path)],
    }
    bad = str(tmp_path / "file" / "below" / "output")
    result = CliRunner().invoke(app, [command, *given[command], option, bad])
    assert result.exit_code == 2
    assert f"{option}: {tmp_path / 'file' / 'below'} cannot be written" in result.output


def test_a_label_that_looks_like_markup_is_shown_and_written(tmp_path: Path, model: str) -> None:
    labels = ["[billing]", "[/delivery]"]
    rows = [{"text": text, "all_labels": labels, "true_labels": labels[:1]} for text, _ in TEXTS]
    report = tmp_path / "report.json"
    shown = _run("evaluate", "--data", _rows(tmp_path / "rows.jsonl", rows), "--model", model, "--report", str(report))
    assert all(label in shown for label in labels)
    assert report.is_file()


def test_a_task_called_like_a_path_is_drawn_inside_the_folder(tmp_path: Path, model: str) -> None:
    policy, pictures = tmp_path / "policy.yaml", tmp_path / "pictures"
    tasks = {"../kind/of": {"mode": "multi", "labels": LABELS}}
    policy.write_text(yaml.safe_dump({"tenants": {"acme": {"tasks": tasks}}}))
    labelled = _rows(tmp_path / "labelled.jsonl", [{"text": text, "labels": [label]} for text, label in TEXTS])
    options = ["--policy", str(policy), "--labelled", labelled, "--model", model, "--picture", str(pictures)]
    _run("calibrate", *options)
    assert [file.name for file in pictures.iterdir()] == ["..%2Fkind%2Fof.png"]


@pytest.mark.parametrize(
    "option",
    ["--patience", "--epochs", "--batch-size", "--accumulate", "--encoder-lr", "--lora-rank", "--negatives", "--seed"],
)
def test_a_number_out_of_its_range_is_refused_naming_the_option(tmp_path: Path, option: str) -> None:
    options = ["--data", _data(tmp_path), "--out", str(tmp_path / "run"), option, "-1"]
    result = CliRunner().invoke(app, ["train", *options], env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert f"Invalid value for '{option}'" in " ".join(result.output.replace("│", " ").split())
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--feedback", "ROWS", "--gamma", "2"], "--gamma: --feedback does not use it"),
        (["--feedback", "ROWS", "--labels", "a,b"], "--labels: --feedback does not use it"),
        (["--data", "ROWS", "--trained", "projection", "--epochs", "3"], "--epochs: --trained projection does not"),
        (["--data", "ROWS", "--patience", "3"], "--patience: counts looks at --dev"),
    ],
)
def test_an_option_that_would_be_ignored_is_refused(tmp_path: Path, options: list[str], words: str) -> None:
    given = [_data(tmp_path) if option == "ROWS" else option for option in options]
    result = CliRunner().invoke(app, ["train", "--out", str(tmp_path / "run"), *given], env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert words in " ".join(result.output.replace("│", " ").split())


def test_every_command_reads_as_much_of_a_text_as_the_worker_by_default() -> None:
    assert inspect.signature(train).parameters["max_tokens"].default == ModelSettings().max_tokens
    for command in (classify, evaluate, calibrate):
        default = inspect.signature(command).parameters["max_tokens"].default
        assert model_settings(None, None, default) == ModelSettings()


def test_train_reads_its_rows_before_it_loads_a_model(tmp_path: Path) -> None:
    rows = _rows(tmp_path / "rows.jsonl", [{"text": "aei", "labels": ["vowels"]}])
    options = ["--data", rows, "--out", str(tmp_path / "run"), "--model", str(tmp_path / "no such model")]
    result = CliRunner().invoke(app, ["train", *options])
    assert result.exit_code == 1
    assert "rows.jsonl:1" in result.output


def test_rows_for_calibrate_are_taken_by_evaluate_and_train_too(tmp_path: Path, model: str) -> None:
    policy = tmp_path / "policy.yaml"
    tasks = {
        "kind": {"mode": "single", "labels": ["vowels, only", "digits"]},
        "tone": {"mode": "multi", "labels": ["x"]},
    }
    policy.write_text(yaml.safe_dump({"tenants": {"acme": {"tasks": tasks}, "other": {"tasks": tasks}}}))
    named = {"vowels": "vowels, only", "digits": "digits"}
    rows = _rows(tmp_path / "rows.jsonl", [{"text": text, "labels": [named[label]]} for text, label in TEXTS])
    options = ["--policy", str(policy), "--tenant", "acme", "--task", "kind", "--model", model]
    _run("calibrate", "--labelled", rows, *options)
    _run("evaluate", "--data", rows, *options)
    _run("train", "--data", rows, *options, "--out", str(tmp_path / "run"), "--epochs", "1")
    assert (tmp_path / "run" / "model" / "config.json").is_file()


def test_a_misspelt_label_ends_train_before_a_model_is_loaded(tmp_path: Path) -> None:
    rows = _rows(tmp_path / "rows.jsonl", [{"text": "aei", "labels": ["vowel"]}, {"text": "1", "labels": ["digits"]}])
    options = ["--data", rows, "--labels", '["vowels", "digits"]', "--out", str(tmp_path / "run")]
    result = CliRunner().invoke(app, ["train", *options, "--model", str(tmp_path / "no such model")])
    assert result.exit_code == 1
    assert "rows.jsonl:1: field 'labels': unknown label 'vowel'; did you mean 'vowels'?" in result.output


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("train", "schema train"),
        ("train", "schema feedback"),
        ("evaluate", "schema train"),
        ("calibrate", "schema train"),
    ],
)
def test_the_help_shows_the_form_of_a_row(command: str, shown: str) -> None:
    words = " ".join(_run(command, "--help").replace("│", " ").split())
    assert f"gliclass-worker {shown}" in words
    assert '{"text": "…", "labels": ["a"' in words
