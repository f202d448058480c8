"""`calibrate` as a user types it, on a checkpoint of a few kilobytes."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from support.policies import policy_file
from typer.testing import CliRunner

from model.prompt import EncodedText
from model.scorer import Scorer
from schemas.policy import TenantPolicy
from schemas.records import TaskResult
from schemas.types import MEBIBYTE
from worker.cli import app
from worker.content.text_classifier import Scored, TextClassifier

LABELS = ["vowels", "digits", "mixed"]
TEXTS = [
    *(("aeiou" * times, "vowels") for times in range(1, 6)),
    *(("1234" * times, "digits") for times in range(1, 6)),
    *(("a1b2" * times, "mixed") for times in range(1, 6)),
]


def _policy(**said: Any) -> dict[str, Any]:
    long_text = said.pop("long_text", {})
    return {"tasks": {"kind": {"mode": "single", "labels": LABELS} | said}} | long_text


def _calibrate(tmp_path: Path, checkpoint: Path, document: dict[str, Any], texts: Any, *options: str) -> dict[str, Any]:
    (tmp_path / "policies.yaml").write_text(yaml.safe_dump(document))
    rows = tmp_path / "rows.jsonl"
    rows.write_text("\n".join(json.dumps({"text": text, "labels": [label]}) for text, label in texts))
    given = ["--policy", str(tmp_path / "policies.yaml"), "--labelled", str(rows), "--model", str(checkpoint)]
    result = CliRunner().invoke(app, ["calibrate", *given, *options], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return yaml.safe_load(result.stdout)


def _scored(scorer: Scorer, document: dict[str, Any]) -> list[TaskResult]:
    file = policy_file(yaml.safe_dump(document))
    outcomes = TextClassifier(scorer, file, next(iter(file.tenants)), 10**6).classify([text for text, _ in TEXTS])
    return [outcome.tasks["kind"] for outcome in outcomes if isinstance(outcome, Scored)]


def _median_best_score(scorer: Scorer, document: dict[str, Any]) -> float:
    return sorted(max((task.scores or {}).values()) for task in _scored(scorer, document))[len(TEXTS) // 2]


def _none(scorer: Scorer, document: dict[str, Any]) -> int:
    return sum(task.none for task in _scored(scorer, document))


def test_a_long_text_is_calibrated_by_the_windows_that_the_worker_scores(tmp_path: Path, tiny_checkpoint: Path) -> None:
    texts = [(text * 60 + " tail " * (place * 40), label) for place, (text, label) in enumerate(TEXTS)]
    patches = {}
    for mode in ("truncate", "windows"):
        policy = _policy(mode="multi", long_text={"long_text": {"mode": mode}})
        document = {"tenants": {"acme": policy}}
        patches[mode] = _calibrate(tmp_path, tiny_checkpoint, document, texts, "--max-tokens", "64")
    assert patches["truncate"] != patches["windows"]


def _opinionated(self: Scorer, batch: Sequence[EncodedText]) -> list[list[NDArray[np.float32]]]:
    """Logits that differ from text to text by more than those of a model of a few kilobytes do."""
    seeds = [int(text.passes[0].token_ids.sum()) for text in batch]
    return [[np.random.default_rng(seed).normal(0, 2, len(LABELS)).astype(np.float32)] for seed in seeds]


def test_a_patch_of_mode_single_keeps_what_none_means(
    tmp_path: Path, tiny_checkpoint: Path, scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Scorer, "score", _opinionated)
    policy = _policy(calibration={"temperature": 4.0})
    document: dict[str, Any] = {"tenants": {"acme": policy}}
    threshold = policy["tasks"]["kind"]["threshold"] = _median_best_score(scorer, document)
    before = _none(scorer, document)
    assert 0 < before < len(TEXTS)
    patch = _calibrate(tmp_path, tiny_checkpoint, document, TEXTS)["tenants"]["acme"]["tasks"]["kind"]
    assert patch["calibration"]["temperature"] != 4.0
    assert patch["threshold"] != threshold
    policy["tasks"]["kind"] |= patch
    assert abs(_none(scorer, document) - before) <= 1


def test_a_task_without_thresholds_gets_none_in_mode_single(tmp_path: Path, tiny_checkpoint: Path) -> None:
    patch = _calibrate(tmp_path, tiny_checkpoint, {"tenants": {"acme": _policy()}}, TEXTS)
    assert patch["tenants"]["acme"]["tasks"]["kind"].keys() == {"calibration"}


def test_the_default_policy_is_patched_where_it_serves_the_tenant(tmp_path: Path, tiny_checkpoint: Path) -> None:
    document = {"unknown_tenant": "default", "default": _policy(), "tenants": {"acme": _policy()}}
    patch = _calibrate(tmp_path, tiny_checkpoint, document, TEXTS, "--tenant", "somebody")
    assert list(patch) == ["default"]
    TenantPolicy.model_validate(_policy(**patch["default"]["tasks"]["kind"]))


def test_a_text_of_which_the_worker_makes_a_dead_letter_is_refused_with_its_line(
    tmp_path: Path, tiny_checkpoint: Path
) -> None:
    document = {"tenants": {"acme": _policy()}}
    nowhere = tmp_path / "no such model"
    with pytest.raises(AssertionError, match=r"rows\.jsonl:16: the worker makes a dead letter .*text_empty"):
        _calibrate(tmp_path, nowhere, document, [*TEXTS, ("\u200b", "mixed")])
    with pytest.raises(AssertionError, match=r"rows\.jsonl:16: the worker makes a dead letter .*text_too_large"):
        _calibrate(tmp_path, tiny_checkpoint, document, [*TEXTS, ("x" * (2 * MEBIBYTE), "mixed")])


@pytest.mark.parametrize(
    ("texts", "said"), [(TEXTS[:4], "at least 5 labelled rows"), (TEXTS[:5], "")], ids=["too few", "enough"]
)
def test_rows_that_cannot_be_fitted_to_are_refused_before_a_model_is_loaded(
    tmp_path: Path, texts: list[tuple[str, str]], said: str
) -> None:
    nowhere = tmp_path / "no such model"
    with pytest.raises(AssertionError, match=f"task kind: .*{said}" if said else "no such model"):
        _calibrate(tmp_path, nowhere, {"tenants": {"acme": _policy()}}, texts)
