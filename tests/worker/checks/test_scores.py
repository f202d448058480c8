import json
from pathlib import Path

import pytest
from support.tiny_checkpoint import write_tiny_checkpoint

from schemas.settings import ModelSettings
from worker.checks.result import CheckResult, Outcome
from worker.checks.scores import ScoreChecks, check_scores


@pytest.fixture
def settings(tiny_checkpoint: Path) -> ModelSettings:
    return ModelSettings(path=str(tiny_checkpoint), dtype="float32", device="cpu", max_tokens=512)


def only(settings: ModelSettings, checks: ScoreChecks) -> CheckResult:
    (result,) = check_scores(settings, checks)
    return result


def test_nothing_is_compared_that_was_not_asked_for(settings: ModelSettings):
    assert list(check_scores(settings, ScoreChecks())) == []


def test_a_checkpoint_equals_the_reference(settings: ModelSettings):
    result = only(settings, ScoreChecks(reference=True))
    assert result.outcome is Outcome.OK, result.detail
    assert "largest deviation" in result.detail


def test_a_golden_file_is_met_by_the_checkpoint_that_wrote_it(settings: ModelSettings, tmp_path: Path):
    file = tmp_path / "golden.json"
    assert only(settings, ScoreChecks(save_golden=file)).outcome is Outcome.OK
    assert only(settings, ScoreChecks(golden=file)).outcome is Outcome.OK


def test_scores_that_moved_and_other_weights_fail(settings: ModelSettings, tmp_path: Path):
    file = tmp_path / "golden.json"
    only(settings, ScoreChecks(save_golden=file))
    content = json.loads(file.read_text())
    name = next(iter(content["logits"]))
    content["logits"][name][0] += 1.0
    file.write_text(json.dumps(content))
    moved = only(settings, ScoreChecks(golden=file))
    assert moved.outcome is Outcome.FAILED
    assert name in moved.detail
    other = settings.model_copy(update={"path": str(write_tiny_checkpoint(tmp_path / "other", seed=1))})
    assert "write a new golden-score file" in only(other, ScoreChecks(golden=file)).detail


def test_a_golden_file_that_is_not_there_fails_with_its_name(settings: ModelSettings, tmp_path: Path):
    result = only(settings, ScoreChecks(golden=tmp_path / "absent.json"))
    assert result.outcome is Outcome.FAILED
    assert "absent.json" in result.detail
