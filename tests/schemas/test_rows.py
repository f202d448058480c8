"""The published schemas of rows accept what the readers of rows accept, and nothing else."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from model.training.data import EXAMPLE_FIELDS, ROW_FIELDS, parse_example
from model.training.errors import DataError
from model.training.feedback import FEEDBACK_FIELDS, parse_feedback
from schemas.rows import ExampleRow, FeedbackRow, TrainingRow

WRONG = st.sampled_from([None, 1, True, "", " ", [], [""], [1], {}, {"a": 2}, {"a": True}])
SOME = st.lists(st.sampled_from(["a", "b"]), max_size=2)
DEGREES = st.dictionaries(st.sampled_from(["a", "b"]), st.sampled_from([0, 0.5, 1, None]))
EXAMPLES = st.lists(
    st.dictionaries(st.sampled_from(["text", "labels", "true_labels", "label"]), st.just("t") | SOME, max_size=3),
    max_size=1,
)


def fields(**strategies: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Rows with some of these fields, now and then a value of another kind."""
    return st.fixed_dictionaries({}, optional={name: st.one_of(each, each, WRONG) for name, each in strategies.items()})


TRAINING = fields(
    text=st.just("some text"),
    labels=SOME | DEGREES,
    all_labels=st.sampled_from([["a", "b"], ["b", "a"], ["a"]]),
    true_labels=SOME | DEGREES,
    prompt=st.just("Sort: "),
    examples=EXAMPLES,
    split=st.just("test"),
    other=st.just(1),
)
FEEDBACK = fields(
    text=st.just("some text"),
    labels=st.just(["a", "b"]),
    accepted=SOME,
    rejected=SOME,
    corrected=SOME,
    candidates=SOME,
    prompt=st.just("Sort: "),
)


def accepts(schema: type[BaseModel], row: dict[str, Any]) -> bool:
    try:
        schema.model_validate(row)
    except ValidationError:
        return False
    return True


@given(TRAINING)
def test_a_training_row_is_accepted_by_schema_and_reader_alike(row: dict[str, Any]) -> None:
    try:
        parse_example(row, "rows.jsonl:1", ["a", "b"])
        read = True
    except DataError:
        read = False
    assert accepts(TrainingRow, row) == read


@given(FEEDBACK)
def test_a_row_of_feedback_is_accepted_by_schema_and_reader_alike(row: dict[str, Any]) -> None:
    try:
        parse_feedback(row, "rows.jsonl:1")
        read = True
    except DataError:
        read = False
    assert accepts(FeedbackRow, row) == read


def test_the_schemas_know_the_fields_that_the_readers_know() -> None:
    assert set(TrainingRow.model_fields) == set(ROW_FIELDS)
    assert set(ExampleRow.model_fields) == set(EXAMPLE_FIELDS)
    assert set(FeedbackRow.model_fields) == set(FEEDBACK_FIELDS)


@pytest.mark.parametrize(
    "labels", [["a"], {"a": 0.5, "b": None}, {"queue": ["a"], "abuse": []}], ids=["list", "degrees", "tasks"]
)
def test_each_form_of_labels_is_in_the_schema(labels: object) -> None:
    assert accepts(TrainingRow, {"text": "t", "labels": labels})
