import importlib
from pathlib import Path
from typing import Any

import pytest
from support.reference import tiny_bert, write_reference

from model import ModelError
from model.verification import reference as reference_module
from model.verification.reference import compare_with_reference
from model.verification.shipped_cases import LABEL_SETS, TEXTS

ALL_CASES = len(TEXTS) * len(LABEL_SETS)


@pytest.mark.parametrize(
    ("fields", "cases"),
    [
        ({"scorer_type": "mlp", "use_segment_embeddings": True}, ALL_CASES),
        ({"architecture_type": "bi-encoder", "label_encoder": tiny_bert()}, ALL_CASES),
        # Only the label set of one label; a text-first checkpoint leaves out the text that does not fit.
        ({"architecture_type": "bi-encoder", "label_encoder": tiny_bert(), "pooling_strategy": "avg"}, len(TEXTS)),
        ({"prompt_first": False}, ALL_CASES - len(LABEL_SETS)),
    ],
)
def test_the_shipped_cases_agree_with_the_reference(tmp_path: Path, fields: dict[str, Any], cases: int) -> None:
    comparison = compare_with_reference(write_reference(tmp_path, **fields))
    assert comparison.cases == cases
    assert comparison.logit_deviation < 1e-4
    assert comparison.probability_deviation < 1e-5
    assert bool(comparison.skipped) == (cases < ALL_CASES)


def test_a_reference_that_differs_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_reference(tmp_path)
    honest = reference_module._logits

    def shifted(model: Any, pipeline: Any, text: str, label_set: Any) -> Any:
        return honest(model, pipeline, text, label_set) + (0.5 if text == "ok" else 0.0)

    monkeypatch.setattr(reference_module, "_logits", shifted)
    comparison = compare_with_reference(folder)
    assert comparison.logit_deviation == pytest.approx(0.5, abs=1e-4)
    assert comparison.worst_case.startswith("text 1,")


def test_a_missing_reference_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ModuleNotFoundError(name, name=name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(ModelError, match=r"pip install gliclass==0\.1\.21"):
        compare_with_reference(tmp_path)
