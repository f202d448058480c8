import pytest
from gliclass.pipeline import build_hierarchical_output, flatten_hierarchical_labels
from hypothesis import given
from hypothesis import strategies as st

from model.errors import LabelSetError
from model.hierarchy import Hierarchy, flatten, nest

names = st.text(st.sampled_from("abcdef gh"), min_size=1, max_size=5).filter(lambda name: bool(name.strip()))
leaves = st.lists(names, min_size=1, max_size=4, unique=True)
hierarchies = st.recursive(leaves, lambda below: st.dictionaries(names, below, min_size=1, max_size=3), max_leaves=12)


@given(hierarchies)
def test_leaves_and_nested_scores_are_the_references(hierarchy: Hierarchy) -> None:
    flat = flatten(hierarchy)
    assert list(flat) == flatten_hierarchical_labels(hierarchy)  # pyright: ignore[reportArgumentType]
    scores = [index / 100 for index in range(len(flat))]
    expected = build_hierarchical_output([], hierarchy, ".", dict(zip(flat, scores, strict=True)))  # pyright: ignore[reportArgumentType]
    assert nest(scores, hierarchy) == expected


def test_a_leaf_may_contain_the_separator() -> None:
    hierarchy = {"v1.2": ["ok"], "v1": ["2.bad"]}
    assert flatten(hierarchy) == ("v1.2.ok", "v1.2.bad")
    assert nest([0.1, 0.2], hierarchy) == {"v1.2": {"ok": 0.1}, "v1": {"2.bad": 0.2}}


def test_another_separator_can_be_chosen() -> None:
    assert flatten({"a": {"b": "c"}}, " > ") == ("a > b > c",)


@pytest.mark.parametrize(
    ("hierarchy", "message"),
    [
        ({}, "labels is empty"),
        ({"a": {"b": []}}, r"a\.b is empty"),
        ({"a": 5}, "a is int; give a list"),
        ({"a": ["x", 5]}, "a holds 5"),
        ({"": ["x"]}, "labels holds ''"),
        ({"a": {"b": ["c"]}, "a.b": ["c"]}, r"'a\.b\.c' more than once"),
    ],
)
def test_a_malformed_hierarchy_is_refused_by_place(hierarchy: Hierarchy, message: str) -> None:
    with pytest.raises(LabelSetError, match=message):
        flatten(hierarchy)


@pytest.mark.parametrize(("scores", "message"), [([0.5], "too few"), ([0.5] * 3, "too many")])
def test_scores_must_match_the_leaves(scores: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        nest(scores, {"a": ["b", "c"]})
