from collections import Counter
from pathlib import Path

import pytest

from worker.commands.inputs import Candidates, candidates, label_names
from worker.errors import ConfigurationError

TWO = ("Food, drinks and tobacco", "Furniture")


@pytest.mark.parametrize(
    ("written", "names"),
    [
        ("a, b ,,c", ("a", "b", "c")),
        ('["Food, drinks and tobacco", "Furniture"]', TWO),
        (' [ "a" ]', ("a",)),
        ("[billing],[/delivery]", ("[billing]", "[/delivery]")),
        (None, ()),
    ],
)
def test_labels_are_split_at_commas_or_read_as_a_json_list(written: str | None, names: tuple[str, ...]) -> None:
    assert label_names(written, None) == names


@pytest.mark.parametrize(
    "written",
    [
        "Food, drinks and tobacco\n\nFurniture\n",
        '["Food, drinks and tobacco",\n "Furniture"]',
        "\ufeffFood, drinks and tobacco\r\nFurniture",
    ],
)
def test_labels_with_commas_come_from_a_file(tmp_path: Path, written: str) -> None:
    file = tmp_path / "labels.txt"
    file.write_text(written, encoding="utf-8", newline="")
    assert label_names(None, file) == label_names(f"@{file}", None) == TWO


@pytest.mark.parametrize(
    ("labels", "file", "said"),
    [
        ("a", Path("b"), "exclude each other"),
        ("@nowhere.txt", None, "nowhere.txt cannot be read.*begins with @ goes into a JSON list"),
        ('["a", ', None, "not a JSON list"),
        ('["a", 7]', None, "list of strings"),
        ("[]", None, "names no label"),
        (" , ", None, "names no label"),
        ("a,b,a", None, "'a' twice"),
    ],
)
def test_labels_that_cannot_be_read_are_refused_with_the_fix(labels: str, file: Path | None, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        label_names(labels, file)


def test_a_policy_and_labels_at_once_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="--labels: the policy names the candidate labels"):
        candidates("a,b", None, tmp_path / "policies.yaml", None, None)


def test_labels_left_out_are_named_with_their_counts(capsys: pytest.CaptureFixture[str]) -> None:
    Candidates(left_out=Counter({"none": 3, "Billing": 1})).tell_left_out()
    assert "left out of rows, for they are no candidates: 'none' (3), 'Billing' (1)" in capsys.readouterr().err
