import json
from pathlib import Path

import numpy as np
import pytest
from support.reference import write_reference

from model import ModelError, Scorer
from model.verification.golden import check_golden, compare, save_golden
from model.verification.shipped_cases import LABEL_SETS, TEXTS


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_reference(tmp_path_factory.mktemp("uni"), scorer_type="mlp")


@pytest.fixture(scope="module")
def scorer(folder: Path) -> Scorer:
    return Scorer.load(folder, dtype="float32")


@pytest.fixture
def golden(scorer: Scorer, tmp_path: Path) -> Path:
    assert save_golden(scorer, tmp_path / "golden.json") == len(TEXTS) * len(LABEL_SETS)
    return tmp_path / "golden.json"


def edit(path: Path, **fields: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_the_same_checkpoint_passes_its_golden_file(folder: Path, golden: Path) -> None:
    comparison = check_golden(Scorer.load(folder, dtype="float32"), golden)
    assert comparison.cases == len(TEXTS) * len(LABEL_SETS)
    assert comparison.logit_deviation <= 1e-6


def test_a_changed_score_is_found_and_named(scorer: Scorer, golden: Path) -> None:
    logits = json.loads(golden.read_text())["logits"]
    logits["text 3, label set 1"][0] += 0.25
    edit(golden, logits=logits)
    comparison = check_golden(scorer, golden)
    assert comparison.worst_case == "text 3, label set 1"
    assert comparison.logit_deviation == pytest.approx(0.25, abs=1e-5)
    assert 0 < comparison.probability_deviation < 0.25


def test_bfloat16_is_compared_with_a_float32_file(folder: Path, golden: Path) -> None:
    comparison = check_golden(Scorer.load(folder, dtype="bfloat16", deviation_limit=1.0), golden)
    assert 0 < comparison.logit_deviation < 1


@pytest.mark.parametrize("field", ["format", "digest", "max_tokens"])
def test_a_file_of_something_else_is_refused_by_field(scorer: Scorer, golden: Path, field: str) -> None:
    edit(golden, **{field: "other"})
    with pytest.raises(ModelError, match=f"{field} is 'other'"):
        check_golden(scorer, golden)


def test_a_file_with_other_cases_is_refused(scorer: Scorer, golden: Path) -> None:
    edit(golden, logits={"text 0, label set 0": [0.0, 0.0, 0.0]})
    with pytest.raises(ModelError, match="holds other cases"):
        check_golden(scorer, golden)


@pytest.mark.parametrize("content", [None, "{", "[]", "{}", '{"logits": 5}'])
def test_a_file_that_cannot_be_read_is_refused(scorer: Scorer, tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "golden.json").write_text(content)
    with pytest.raises(ModelError, match="cannot be read as a golden-score file"):
        check_golden(scorer, tmp_path / "golden.json")


def test_label_sets_that_do_not_fit_are_named(folder: Path, tmp_path: Path) -> None:
    small = Scorer.load(folder, dtype="float32", max_tokens=60)
    cases = save_golden(small, tmp_path / "golden.json")
    assert 0 < cases < len(TEXTS) * len(LABEL_SETS)
    assert any(note.startswith("label set 5: ") for note in check_golden(small, tmp_path / "golden.json").skipped)


def test_nothing_to_compare_is_an_error() -> None:
    with pytest.raises(ModelError, match="no shipped case fits this checkpoint: too small"):
        compare({}, {}, ("too small",))


def test_the_worst_case_is_that_of_the_largest_logit_difference() -> None:
    zero, one = np.zeros(2, dtype=np.float32), np.ones(2, dtype=np.float32)
    assert compare({"a": zero, "b": zero}, {"a": zero, "b": one}).worst_case == "b"
