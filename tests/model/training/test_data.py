import gzip
import json
from collections import Counter
from pathlib import Path

import pytest

from model.label_set import Example
from model.training.data import (
    IGNORED,
    TrainingExample,
    check_trainable,
    labels_without_examples,
    parse_example,
    read_examples,
    read_label_knowledge,
    unused_knowledge,
)
from model.training.errors import DataError


def _write(path: Path, *rows: object) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


def test_the_references_form_gives_targets_in_label_order(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.jsonl", {"text": "t", "all_labels": ["a", "b"], "true_labels": ["b"]})
    assert list(read_examples(path)) == [TrainingExample("t", ("a", "b"), (0.0, 1.0))]


def test_soft_labels_keep_their_degree_and_null_is_unknown() -> None:
    row = {"text": "t", "all_labels": ["a", "b", "c"], "true_labels": {"a": 0.3, "b": None}}
    assert parse_example(row, "x:1").targets == (0.3, IGNORED, 0.0)


def test_prompt_and_examples_are_read() -> None:
    row = {
        "text": "t",
        "all_labels": ["a"],
        "true_labels": [],
        "prompt": "What? ",
        "examples": [{"text": "e", "true_labels": ["a"]}],
    }
    example = parse_example(row, "x:1")
    assert example.label_set.prompt == "What? "
    assert example.label_set.examples == (Example("e", ("a",)),)


def test_plain_rows_take_their_candidates_from_the_set(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.jsonl", {"text": "t", "labels": ["b"]}, {"text": "u", "labels": []})
    first, second = read_examples(path, labels=["a", "b"])
    assert first.true_labels == ("b",)
    assert second.targets == (0.0, 0.0)


@pytest.mark.parametrize("written", ["Billing", "billing ", "biling"])
def test_a_label_of_a_row_that_is_no_candidate_is_refused_with_line_and_nearest_name(
    tmp_path: Path, written: str
) -> None:
    path = _write(tmp_path / "a.jsonl", {"text": "t", "labels": ["billing"]}, {"text": "u", "labels": [written]})
    with pytest.raises(DataError, match=rf"a.jsonl:2: .*unknown label '{written}'; did you mean 'billing'\?"):
        list(read_examples(path, labels=["billing", "delivery"]))


def test_labels_that_are_no_candidates_are_counted_where_that_is_asked_for(tmp_path: Path) -> None:
    left_out = Counter[str]()
    path = _write(tmp_path / "a.jsonl", {"text": "t", "labels": ["a", "none"]}, {"text": "u", "labels": ["none"]})
    examples = list(read_examples(path, labels=["a", "b"], left_out=left_out))
    assert [example.true_labels for example in examples] == [("a",), ()]
    assert left_out == {"none": 2}


def test_a_field_that_nobody_would_read_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(
        DataError, match=r"unknown field 'lables'; did you mean 'labels'\? Known: text, labels, all_lab"
    ):
        parse_example({"text": "t", "lables": ["a"]}, "rows.jsonl:4", ["a"])
    with pytest.raises(DataError, match="unknown field 'id'; known: text, labels"):
        parse_example({"id": 7, "text": "t", "labels": ["a"]}, "rows.jsonl:4", ["a"])


def test_a_folder_brings_its_own_labels_and_split(tmp_path: Path) -> None:
    (tmp_path / "meta.json").write_text(json.dumps({"labels": ["a", "b"]}), encoding="utf-8")
    rows = [{"text": "t", "labels": ["a"], "split": "train"}, {"text": "u", "labels": ["b"], "split": "test"}]
    with gzip.open(tmp_path / "data.jsonl.gz", "wt", encoding="utf-8") as file:
        file.write("\n".join(json.dumps(row) for row in rows))
    assert [example.text for example in read_examples(tmp_path, split="test")] == ["u"]


def test_a_json_list_is_read_like_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps([{"text": "t", "all_labels": ["a"], "true_labels": ["a"]}]), encoding="utf-8")
    assert [example.targets for example in read_examples(path)] == [(1.0,)]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"all_labels": ["a"], "true_labels": []}, "field 'text'"),
        ({"text": " ", "all_labels": ["a"], "true_labels": []}, "field 'text'"),
        ({"text": "t"}, "needs 'all_labels'"),
        ({"text": "t", "labels": ["a"]}, "no 'all_labels'.*--labels.*--policy"),
        ({"text": "t", "labels": {"queue": ["a"]}}, "names tasks.*--policy"),
        ({"text": "t", "true_labels": ["a"]}, "'true_labels' needs 'all_labels'"),
        ({"text": "t", "all_labels": ["a"], "true_labels": [], "labels": ["a"]}, "both"),
        ({"text": "t", "all_labels": ["a"], "true_labels": [], "split": 1}, "'split'"),
        ({"text": "t", "all_labels": [], "true_labels": []}, "'all_labels' is empty"),
        ({"text": "t", "all_labels": "ab", "true_labels": []}, "'all_labels' must be a list"),
        ({"text": "t", "all_labels": ["a", "a"], "true_labels": []}, "twice"),
        ({"text": "t", "all_labels": ["a"], "true_labels": ["b"]}, "unknown label .b."),
        ({"text": "t", "all_labels": ["a"], "true_labels": {"a": 2}}, "degree of 'a'"),
        ({"text": "t", "all_labels": ["a"], "true_labels": {"a": True}}, "degree of 'a'"),
        ({"text": "t", "all_labels": ["a"]}, "'true_labels' must be"),
        ({"text": "t", "all_labels": ["a"], "true_labels": [], "prompt": 3}, "'prompt'"),
        ({"text": "t", "all_labels": ["a"], "true_labels": [], "examples": [{"labels": ["a"]}]}, r"examples\[0\]"),
    ],
)
def test_a_bad_row_is_named_by_line_and_field(row: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=f"rows.jsonl:4: .*{message}"):
        parse_example(row, "rows.jsonl:4")


def test_broken_json_is_named_by_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "t", "all_labels": ["a"], "true_labels": []}\n{oops', encoding="utf-8")
    with pytest.raises(DataError, match=r"a\.jsonl:2: not JSON"):
        list(read_examples(path))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        list(read_examples(tmp_path / "none.jsonl"))


def test_label_knowledge_is_read_and_checked(tmp_path: Path) -> None:
    path = tmp_path / "labels.json"
    path.write_text(json.dumps([{"label": "a", "synonyms": ["b"], "descriptions": ["c"]}]), encoding="utf-8")
    assert read_label_knowledge(path)["a"].synonyms == ("b",)
    path.write_text(json.dumps([{"label": "a"}, {"label": "a"}]), encoding="utf-8")
    with pytest.raises(DataError, match="has an entry already"):
        read_label_knowledge(path)


def test_knowledge_of_a_label_that_no_row_has_is_named() -> None:
    examples = [TrainingExample("t", ("billing", "delivery"), (0.0, 1.0))]
    assert unused_knowledge(["billing"], examples) == {}
    (said,) = unused_knowledge(["Billing"], examples).values()
    assert said == "unknown label 'Billing'; did you mean 'billing'?"


def test_data_nothing_can_be_learnt_from_is_refused() -> None:
    with pytest.raises(DataError, match="no row"):
        check_trainable([])
    with pytest.raises(DataError, match="is false"):
        check_trainable([TrainingExample("t", ("a",), (0.0,))])
    with pytest.raises(DataError, match="is true"):
        check_trainable([TrainingExample("t", ("a",), (1.0,))])
    with pytest.raises(DataError, match="unknown"):
        check_trainable([TrainingExample("t", ("a",), (IGNORED,))])
    check_trainable([TrainingExample("t", ("a", "b"), (0.0, 1.0))])


def test_labels_that_are_never_true_are_listed() -> None:
    examples = [TrainingExample("t", ("a", "b"), (0.0, 1.0)), TrainingExample("u", ("a", "c"), (0.0, 0.2))]
    assert labels_without_examples(examples) == ("a", "c")
