import json
from collections import Counter
from pathlib import Path

import pytest
from support.policies import policy_file

from model.training.data import TrainingExample
from model.training.errors import DataError
from worker.commands.labelled import read_labelled, tasks_of, training_examples

TASKS = (
    policy_file(
        """
tenants:
  shop:
    tasks:
      queue: {mode: single, labels: {billing: about money, delivery: about parcels}, prompt: "Sort: "}
      abuse: {mode: multi, labels: {harm: [threat, insult]}}
"""
    )
    .tenants["shop"]
    .tasks
)


def _file(tmp_path: Path, *rows: object) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


def test_rows_for_several_tasks_and_for_one_are_read(tmp_path: Path) -> None:
    both = {"text": "t", "labels": {"queue": ["billing"], "abuse": []}}
    rows = read_labelled(_file(tmp_path, both, {"text": "u", "labels": {"abuse": ["harm.threat"]}}), TASKS, None)
    assert [row.labels for row in rows] == [{"queue": ("billing",), "abuse": ()}, {"abuse": ("harm.threat",)}]
    assert tasks_of(rows) == ["queue", "abuse"]
    assert rows[1].where.endswith("rows.jsonl:2")
    one = read_labelled(_file(tmp_path, {"text": "t", "labels": ["billing"]}, both), TASKS, "queue")
    assert [row.labels for row in one] == [{"queue": ("billing",)}, {"queue": ("billing",)}]


def test_examples_to_train_on_have_what_the_policy_shows_the_model(tmp_path: Path) -> None:
    rows = read_labelled(_file(tmp_path, {"text": "t", "labels": ["delivery"]}), TASKS, "queue")
    described = ("about money", "about parcels")
    assert training_examples(rows, TASKS) == [
        TrainingExample("t", ("billing", "delivery"), (0.0, 1.0), described, "Sort: ")
    ]
    blank = read_labelled(_file(tmp_path, {"text": " ", "labels": ["delivery"]}), TASKS, "queue")
    with pytest.raises(DataError, match=r"rows.jsonl:1: field 'text' must be a non-empty"):
        training_examples(blank, TASKS)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"text": "t", "labels": ["Billing"]}, "unknown label 'Billing'; did you mean 'billing'"),
        ({"text": "t", "labels": ["billing "]}, "unknown label 'billing '; did you mean 'billing'"),
        ({"text": "t", "labels": {"qeue": ["billing"]}}, "unknown task 'qeue'; did you mean 'queue'"),
        ({"text": "t", "labels": ["billing", "delivery"]}, "at most one label"),
        ({"text": "t", "labels": "billing"}, "'labels' must be a list of labels or an object"),
        ({"text": "t", "labels": [1]}, "'labels.queue' must be a list of strings"),
        ({"text": "t", "label": ["billing"]}, "unknown field 'label'; did you mean 'labels'"),
        ({"text": "t", "labels": ["billing"], "prompt": "x"}, "'prompt' is the policy's to say"),
        ({"text": "t", "all_labels": ["billing"], "true_labels": []}, "'all_labels' is the policy's to say"),
        ({"text": None, "labels": ["billing"]}, "'text' must be a string"),
    ],
)
def test_a_bad_row_is_refused_with_its_line(tmp_path: Path, row: object, said: str) -> None:
    with pytest.raises(DataError, match=rf"rows\.jsonl:2: .*{said}"):
        read_labelled(_file(tmp_path, {"text": "t", "labels": ["billing"]}, row), TASKS, "queue")


def test_labels_that_the_task_lacks_are_counted_where_that_is_asked_for(tmp_path: Path) -> None:
    left_out = Counter[str]()
    rows = read_labelled(_file(tmp_path, {"text": "t", "labels": ["other"]}), TASKS, "queue", left_out=left_out)
    assert [row.labels for row in rows] == [{"queue": ()}]
    assert left_out == {"other": 1}


def test_data_without_a_row_for_the_task_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no row has labels of task 'queue'"):
        read_labelled(_file(tmp_path, {"text": "t", "labels": {"abuse": []}}), TASKS, "queue")
    with pytest.raises(DataError, match="holds no row"):
        read_labelled(_file(tmp_path), TASKS, "queue")
    with pytest.raises(DataError, match="the policy has several tasks: write labels"):
        read_labelled(_file(tmp_path, {"text": "t", "labels": []}), TASKS, None)
    with pytest.raises(DataError, match="--task: unknown task 'qeue'"):
        read_labelled(_file(tmp_path), TASKS, "qeue")
