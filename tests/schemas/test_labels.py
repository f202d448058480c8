import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from schemas.labels import RESERVED_MARKERS, Leaf, read_labels

names = st.text(st.characters(categories=("L", "N")), min_size=1, max_size=8)


def test_a_list_holds_labels_in_their_order() -> None:
    assert [leaf.name for leaf in read_labels(["spam", "a label of words", "ham"])] == [
        "spam",
        "a label of words",
        "ham",
    ]


def test_a_mapping_holds_descriptions_or_none() -> None:
    written = {"spam": "unsolicited mail", "ham": None}
    assert read_labels(written) == (Leaf(("spam",), "unsolicited mail"), Leaf(("ham",)))


def test_a_hierarchy_of_any_depth_names_its_leaves_by_dots() -> None:
    written = yaml.safe_load("""
        billing: [refund, invoice]
        technical:
          network: {vpn: remote access, wifi: }
          other: [printer]
        praise:
    """)
    leaves = read_labels(written)
    assert [leaf.name for leaf in leaves] == [
        "billing.refund",
        "billing.invoice",
        "technical.network.vpn",
        "technical.network.wifi",
        "technical.other.printer",
        "praise",
    ]
    assert leaves[2].description == "remote access"


@given(st.dictionaries(names, st.lists(names, min_size=1, max_size=4, unique=True), min_size=1, max_size=4))
def test_every_leaf_of_a_hierarchy_is_read_once_and_in_order(written: dict[str, list[str]]) -> None:
    expected = [(branch, leaf) for branch, leaves in written.items() for leaf in leaves]
    assert [leaf.path for leaf in read_labels(written)] == expected


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("spam", r"is the string 'spam': write a list, \[spam\]"),
        ([], "names no label"),
        ({}, "names no label"),
        (None, "is null: write a list"),
        (7, "is the int 7: write a list"),
        (["spam", "spam"], "duplicate label 'spam'"),
        ([""], "label is empty"),
        (["  "], "label is empty"),
        ([" spam"], "begins or ends with white space"),
        (["sp\x00am"], "control character"),
        (["sp\ud800am"], "half of a surrogate pair"),
        ([["a"]], "a list inside a list"),
        ([{"a": ["b"]}, {"a": ["b"]}], "duplicate label 'a.b'"),
        (["a", {"a": ["b"]}], "'a' is both a label and a branch"),
        ({"a.b": ["c"]}, "'a.b' has a dot inside a hierarchy"),
        ({"a": []}, "branch 'a' has no labels"),
        ({"a": " "}, "label 'a' has an empty description"),
        ({"a": 3}, "the description of label 'a' is the int 3: put it in quotes"),
        ({"a": "x\ud800"}, "the description of label 'a' contains half of a surrogate pair"),
    ],
)
def test_what_cannot_be_labels_is_refused_with_the_fix(written: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_labels(written)


@pytest.mark.parametrize(
    ("yaml_text", "message"),
    [
        ("[no, maybe]", 'the boolean false .* is not a string: put it in quotes, as in "no"'),
        ("[yes, maybe]", 'the boolean true .* is not a string: put it in quotes, as in "yes"'),
        ("{on: always}", "the boolean true"),
        ("[1, 2]", 'the int 1 is not a string: put it in quotes, as in "1"'),
        ("[1.5]", "the float 1.5"),
        ("[~]", "null is not a string"),
        ("[2024-01-01]", "the date 2024-01-01"),
    ],
)
def test_a_label_that_yaml_reads_as_something_else_must_be_quoted(yaml_text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_labels(yaml.safe_load(yaml_text))


@pytest.mark.parametrize("marker", RESERVED_MARKERS)
def test_reserved_markers_are_refused_in_labels_and_descriptions(marker: str) -> None:
    with pytest.raises(ValueError, match=f"label .* contains the reserved marker {marker}"):
        read_labels([f"x{marker}y"])
    with pytest.raises(ValueError, match=f"the description of label 'a' contains the reserved marker {marker}"):
        read_labels({"a": marker})
