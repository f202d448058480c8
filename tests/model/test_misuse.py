from pathlib import Path

import pytest
from support.tiny_checkpoint import write_tiny_checkpoint

from model import LabelSet, LabelSetError, Scorer

LABELS = LabelSet(("vowels", "digits"))


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    return Scorer.load(write_tiny_checkpoint(tmp_path_factory.mktemp("misuse") / "model"), dtype="float32")


@pytest.mark.parametrize("labels", [("vowels",), ["vowels"], "vowels", None])
def test_labels_that_are_no_label_set_are_answered_with_how_to_make_one(scorer: Scorer, labels: object) -> None:
    with pytest.raises(TypeError, match=r"give LabelSet\(\('billing', 'praise'\)\)"):
        scorer.prepare(labels)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("text", [["one", "two"], None, b"bytes", 7])
def test_what_is_no_text_is_named(scorer: Scorer, text: object) -> None:
    with pytest.raises(TypeError, match=f"text is {type(text).__name__}: give one string"):
        scorer.encode(text, [scorer.prepare(LABELS)])  # pyright: ignore[reportArgumentType]


def test_label_sets_that_are_not_prepared_are_sent_to_prepare(scorer: Scorer) -> None:
    with pytest.raises(TypeError, match=r"prepared holds LabelSet: pass each label set through Scorer\.prepare first"):
        scorer.encode("a", [LABELS])  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="prepared is one prepared label set: give a list of them"):
        scorer.encode("a", scorer.prepare(LABELS))  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="prepared is str: give a list"):
        scorer.encode("a", "vowels")  # pyright: ignore[reportArgumentType]


def test_a_label_set_of_another_model_is_refused(scorer: Scorer, tmp_path: Path) -> None:
    other = Scorer.load(write_tiny_checkpoint(tmp_path / "other", seed=1), dtype="float32")
    assert other.digest != scorer.digest
    with pytest.raises(ValueError, match="prepared by another model"):
        scorer.encode("a", [other.prepare(LABELS)])


def test_texts_that_are_not_encoded_are_sent_to_encode(scorer: Scorer) -> None:
    encoded = scorer.encode("a", [scorer.prepare(LABELS)])
    with pytest.raises(TypeError, match="batch is one encoded text: give a list of them"):
        scorer.score(encoded)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match=r"batch holds str: pass each text through Scorer\.encode first"):
        scorer.score(["a"])  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="batch is str: give a list"):
        scorer.score("a")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("text", ["", " \n", ["a", ""]])
def test_an_empty_text_is_not_classified(scorer: Scorer, text: str | list[str]) -> None:
    with pytest.raises(ValueError, match=r"text \d is empty"):
        scorer.classify(text, ["vowels"])


@pytest.mark.parametrize("texts", [{"a": 1}, b"a", None, 7])
def test_what_is_neither_a_text_nor_a_list_of_texts_is_named(scorer: Scorer, texts: object) -> None:
    with pytest.raises(TypeError, match="give a string or a list of strings"):
        scorer.classify(texts, ["vowels"])  # pyright: ignore[reportCallIssue, reportArgumentType]


@pytest.mark.parametrize("labels", ["vowels", [], ["a", "a"], [3]])
def test_labels_that_cannot_be_scored_are_named(scorer: Scorer, labels: list[str]) -> None:
    with pytest.raises(LabelSetError, match="labels"):
        scorer.classify("a", labels)
