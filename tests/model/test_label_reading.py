from pathlib import Path

import pytest
import torch
from support.reference import tiny_bert, write_reference
from support.tokenizer_families import FAMILIES, usual

from model import Example, LabelSet, LabelSetError, Scorer
from model.label_reading import ALIKE_SHOWN, remarks_on, remarks_on_vectors, require_readable
from model.tokenizer import PieceTokenizer

TOKENIZERS = {name: PieceTokenizer(family.build(usual).backend_tokenizer) for name, family in FAMILIES.items()}
ZERO_WIDTH_SPACE, SOFT_HYPHEN = "\u200b", "\u00ad"


def refusal(family: str, *labels: str, descriptions: tuple[str | None, ...] = ()) -> str | None:
    try:
        require_readable(LabelSet(labels, descriptions), TOKENIZERS[family])
    except LabelSetError as error:
        return str(error)
    return None


@pytest.mark.parametrize("family", ["bert", "words", "deberta", "xlm-roberta", "t5", "modernbert", "gemma", "qwen"])
def test_plain_labels_are_accepted_by_every_family(family: str) -> None:
    assert refusal(family, "the", "free", "think") is None


@pytest.mark.parametrize("family", ["bert", "deberta", "t5"])
@pytest.mark.parametrize("label", ["🙂", "❤️ 😡", "☃☃"])
def test_a_label_of_unknown_signs_alone_is_refused_where_the_vocabulary_lacks_them(family: str, label: str) -> None:
    message = refusal(family, "the", label)
    assert message is not None
    assert message.startswith("labels[1]: the model cannot read")
    assert ascii(label) in message


@pytest.mark.parametrize("family", ["modernbert", "qwen", "gemma", "mt5"])
def test_vocabularies_of_bytes_read_every_sign(family: str) -> None:
    assert refusal(family, "🙂", "😡", "❤️") is None


def test_a_label_that_the_tokenizer_drops_is_refused() -> None:
    message = refusal("bert", "the", ZERO_WIDTH_SPACE)
    assert message is not None
    assert "'\\u200b'" in message


@pytest.mark.parametrize(
    ("family", "other"),
    [
        ("bert", f"f{ZERO_WIDTH_SPACE}ree"),
        ("bert", "Free"),
        ("bert", "fré" + "e"),
        ("bert", "free "),
        ("deberta", "f\uff52ee"),
        ("words", "free  "),
    ],
)
def test_labels_that_are_read_alike_are_refused_with_both_names(family: str, other: str) -> None:
    message = refusal(family, "the", "free", other)
    assert message is not None
    assert message.startswith("labels[1] and labels[2]: the model cannot tell 'free' from")
    assert "rename one, or describe both" in message
    assert other.isascii() or ascii(other) in message


def test_a_difference_that_the_tokenizer_keeps_is_a_difference() -> None:
    assert refusal("deberta", "Free", "free") is None
    assert refusal("modernbert", "free", f"f{ZERO_WIDTH_SPACE}ree") is None


def test_a_description_makes_an_unreadable_label_readable_and_two_alike_ones_different() -> None:
    assert refusal("bert", "🙂", "😡", descriptions=("free", "the")) is None
    message = refusal("bert", "🙂", "😡", descriptions=("free", "free"))
    assert message is not None
    assert message.startswith("labels[0] and labels[1]")


def remarks(label_set: LabelSet, *, reads_examples: bool = True) -> list[str]:
    tokenizer = TOKENIZERS["bert"]
    found = remarks_on(label_set, label_tokenizer=tokenizer, tokenizer=tokenizer, reads_examples=reads_examples)
    return [remark.field for remark in found]


def test_what_is_read_as_written_needs_no_remark() -> None:
    assert remarks(LabelSet(("free", "the"), prompt="think ", examples=(Example("free", ("the",)),))) == []


def test_what_is_read_in_part_or_not_at_all_is_said_field_by_field() -> None:
    label_set = LabelSet(("free 🙂", "the"), prompt="🙂 ", examples=(Example("the", ("the",)), Example("☃", ("the",))))
    assert remarks(label_set) == ["labels[0]", "prompt", "examples[1].text"]


def test_examples_that_the_architecture_ignores_are_said_once() -> None:
    label_set = LabelSet(("free", "the"), examples=(Example("the", ("the",)), Example("☃", ("the",))))
    assert remarks(label_set, reads_examples=False) == ["examples"]


def test_vectors_that_point_the_same_way_are_said_with_both_labels() -> None:
    vectors = torch.tensor([[1.0, 0.0], [0.0, 1.0], [3.0, 0.01], [-1.0, 0.0]])
    (remark,) = remarks_on_vectors(LabelSet(("a", "b", "c", "d")), vectors)
    assert remark.field == "labels[0] and labels[2]"
    assert "'a' from 'c'" in remark.message


def test_of_many_alike_vectors_a_few_pairs_are_named() -> None:
    labels = tuple(f"l{number}" for number in range(600))
    alike = remarks_on_vectors(LabelSet(labels), torch.ones(600, 4))
    assert len(list(alike)) == ALIKE_SHOWN
    # Pairs across chunks are found too.
    apart = torch.eye(600)
    apart[599] = apart[2]
    (remark,) = remarks_on_vectors(LabelSet(labels), apart)
    assert remark.field == "labels[2] and labels[599]"


def test_a_scorer_refuses_what_it_cannot_read_and_remarks_on_the_rest(tmp_path: Path) -> None:
    family = FAMILIES["bert"].build(usual)
    scorer = Scorer.load(write_reference(tmp_path, tiny_bert(vocab_size=len(family)), tokenizer=family), device="cpu")
    with pytest.raises(LabelSetError, match="cannot read '🙂'"):
        scorer.prepare(LabelSet(("the", "🙂")))
    with pytest.raises(LabelSetError, match="cannot tell 'free' from 'Free'"):
        scorer.prepare(LabelSet(("free", "Free")))
    assert [remark.field for remark in scorer.prepare(LabelSet(("free", "the ☃"))).remarks] == ["labels[1]"]
