import json
from pathlib import Path
from typing import Any

import pytest

from model.training.data import IGNORED
from model.training.errors import DataError
from model.training.feedback import Feedback, parse_feedback, read_feedback

LABELS = ("refund", "delivery", "praise")


def test_accepted_and_rejected_labels_are_known_and_the_rest_is_not() -> None:
    feedback = Feedback("where is it", LABELS, accepted=("delivery",), rejected=("refund",))
    assert feedback.targets == (0.0, 1.0, IGNORED)


def test_a_correction_says_everything_and_overrides() -> None:
    feedback = Feedback("where is it", LABELS, accepted=("refund",), corrected=("delivery",))
    assert feedback.targets == (0.0, 1.0, 0.0)


def test_an_empty_correction_means_that_no_label_is_true() -> None:
    assert Feedback("hm", LABELS, corrected=()).targets == (0.0, 0.0, 0.0)


def test_candidates_rule_out_the_others_and_leave_themselves_open() -> None:
    assert Feedback("hm", LABELS, candidates=("refund", "delivery")).targets == (IGNORED, IGNORED, 0.0)


def test_a_single_candidate_is_the_answer() -> None:
    assert Feedback("hm", LABELS, candidates=("praise",)).targets == (0.0, 0.0, 1.0)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"accepted": ("other",)}, "'accepted': unknown label 'other'"),
        ({"accepted": ("refund",), "rejected": ("refund",)}, "both in 'accepted' and in 'rejected'"),
        ({}, "says nothing"),
    ],
)
def test_contradictions_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Feedback("hm", LABELS, **fields)


def test_a_file_is_read_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "feedback.jsonl"
    rows = [
        {"text": "a", "labels": list(LABELS), "accepted": ["refund"]},
        {"text": "b", "labels": list(LABELS), "corrected": []},
    ]
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    assert [feedback.text for feedback in read_feedback(path)] == ["a", "b"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"labels": ["a"], "accepted": ["a"]}, "field 'text'"),
        ({"text": "x", "labels": "a", "accepted": ["a"]}, "field 'labels' must be a list"),
        ({"text": "x", "labels": ["a"], "approved": ["a"]}, "unknown field 'approved'; known: text, labels, accepted"),
        ({"text": "x", "labels": ["a"]}, "says nothing"),
    ],
)
def test_a_bad_row_is_named_by_place_and_field(row: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=f"f.jsonl:7: .*{message}"):
        parse_feedback(row, "f.jsonl:7")
