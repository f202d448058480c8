from typing import Any

import pytest

from model.errors import LabelSetError
from model.label_set import Example, LabelSet, validate


def test_described_labels_are_shown_with_their_description() -> None:
    label_set = LabelSet(("spam", "ham"), descriptions=("unsolicited mail", None))
    assert label_set.shown_labels == ("spam: unsolicited mail", "ham")


def test_equal_content_has_an_equal_key_and_any_change_another_one() -> None:
    base = LabelSet(("a", "b"), ("x", None), "prompt ", (Example("t", ("a",)),))
    assert base.key == LabelSet(("a", "b"), ("x", None), "prompt ", (Example("t", ("a",)),)).key
    others = [
        LabelSet(("b", "a"), ("x", None), "prompt ", (Example("t", ("a",)),)),
        LabelSet(("a", "b"), (None, "x"), "prompt ", (Example("t", ("a",)),)),
        LabelSet(("a", "b"), ("x", None), "prompt", (Example("t", ("a",)),)),
        LabelSet(("a", "b"), ("x", None), "prompt ", (Example("t", ("b",)),)),
        LabelSet(("a", "b"), ("x", None), "prompt "),
    ]
    assert len({base.key, *(other.key for other in others)}) == 1 + len(others)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"labels": ()}, r"labels is empty"),
        ({"labels": "abc"}, r"labels is the string 'abc'; give a list"),
        ({"labels": ("a", "b", "a")}, r"labels holds 'a' more than once"),
        ({"labels": ("a", 7)}, r"labels\[1\] is int"),
        ({"labels": ("a", None)}, r"labels\[1\] is NoneType"),
        ({"labels": ("a", " ")}, r"labels\[1\] is empty"),
        ({"labels": ("a", "b"), "descriptions": ("x",)}, r"descriptions has 1 entries for 2 labels"),
        ({"labels": ("a",), "descriptions": (5,)}, r"descriptions\[0\] is int"),
        ({"labels": ("a",), "prompt": None}, r"prompt is NoneType"),
        ({"labels": ("a",), "examples": (Example(5, ()),)}, r"examples\[0\]\.text is int"),  # pyright: ignore
        ({"labels": ("a",), "examples": (Example("t", "a"),)}, r"examples\[0\]\.labels is the string"),  # pyright: ignore
        ({"labels": ("a",), "examples": (Example("t", ("",)),)}, r"examples\[0\]\.labels\[0\] is empty"),
    ],
)
def test_a_malformed_label_set_is_refused_by_field(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(LabelSetError, match=message):
        validate(LabelSet(**fields))


def test_a_well_formed_label_set_passes() -> None:
    validate(LabelSet(("a", "b"), ("first", None), "Which one? ", (Example("text", ("a",)),)))
