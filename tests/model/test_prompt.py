import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.reference import wordpiece_tokenizer

from model.errors import LabelSetError
from model.label_set import Example, LabelSet
from model.prompt import (
    MIN_TEXT_TOKENS,
    PreparedLabelSet,
    Prompt,
    TextSlot,
    encode_text,
    examples_piece,
    fit,
    require_room,
)
from model.tokenizer import EXAMPLE_MARKER, SEPARATOR_MARKER, PieceTokenizer

TOKENIZER = PieceTokenizer(wordpiece_tokenizer().backend_tokenizer)


def ids(count: int, value: int = 7) -> np.ndarray:
    return np.full(count, value, dtype=np.int64)


def prepared(name: str, key: str, slot: TextSlot | None = None) -> PreparedLabelSet:
    prompt = Prompt(label_count=1, key=key, before=ids(2), slot=slot or TextSlot())
    return PreparedLabelSet(LabelSet((name,)), LabelSet((name,)).key, prompt, None, 2)


@given(st.integers(0, 30), st.integers(0, 5), st.integers(0, 5), st.booleans())
def test_a_text_is_cut_to_the_window_and_the_cut_is_counted(
    text: int, before: int, after: int, cuts_after: bool
) -> None:
    prompt = Prompt(1, "k", before=ids(before, 5), after=ids(after, 6), cuts_after=cuts_after)
    [sequence], cut = fit(prompt, ids(text), TOKENIZER, max_tokens=20)
    whole = before + text + after + 2
    assert len(sequence) == min(whole, 20)
    assert cut == max(0, whole - 20)
    body = sequence[1:-1]
    assert body[:before].tolist() == [5] * before
    kept_after = int((body == 6).sum())
    assert kept_after == (after if not cuts_after else min(after, max(0, 18 - before - text)))


def test_a_prompt_may_stand_without_special_tokens() -> None:
    prompt = Prompt(1, "k", before=ids(2), specials=False)
    assert fit(prompt, ids(3, 8), TOKENIZER, 10)[0][0].tolist() == [7, 7, 8, 8, 8]


def test_a_label_set_that_leaves_no_room_for_a_text_is_refused() -> None:
    enough = Prompt(1, "k", before=ids(10), slot=TextSlot(marker=SEPARATOR_MARKER))
    assert require_room(enough, TOKENIZER, 13 + MIN_TEXT_TOKENS) == MIN_TEXT_TOKENS
    with pytest.raises(LabelSetError, match="take 13 of the model's 20 tokens and leave 7 for a text"):
        require_room(enough, TOKENIZER, 20)


def test_examples_stand_behind_markers_and_end_with_one_separator() -> None:
    label_set = LabelSet(("a",), examples=(Example("foo", ("a", "b")), Example("bar", ("b",))))
    expected = wordpiece_tokenizer()(
        f"{EXAMPLE_MARKER}foo \nLabels:\n a, b{EXAMPLE_MARKER}bar \nLabels:\n b{SEPARATOR_MARKER}",
        add_special_tokens=False,
    )["input_ids"]
    assert examples_piece(label_set, TOKENIZER).tolist() == expected
    assert examples_piece(LabelSet(("a",)), TOKENIZER).tolist() == []


def test_examples_need_a_tokenizer_that_knows_their_marker() -> None:
    definition = wordpiece_tokenizer().backend_tokenizer.to_str().replace(EXAMPLE_MARKER, "<<OTHER>>")
    tokenizer = PieceTokenizer(type(wordpiece_tokenizer().backend_tokenizer).from_str(definition))
    with pytest.raises(LabelSetError, match="has no <<EXAMPLE>>"):
        examples_piece(LabelSet(("a",), examples=(Example("t", ("a",)),)), tokenizer)


def test_label_sets_with_one_prompt_key_share_a_sequence() -> None:
    encoded = encode_text("hello", [prepared("a", "x"), prepared("b", "x"), prepared("c", "y")], TOKENIZER, 20)
    assert [len(text_pass.label_sets) for text_pass in encoded.passes] == [2, 1]
    assert encoded.targets == (((0, 0),), ((0, 1),), ((1, 0),))
    assert encoded.token_count == 2 * (2 + 5 + 2)


def test_one_label_set_asked_for_twice_is_run_once() -> None:
    encoded = encode_text("hello", [prepared("a", "x"), prepared("a", "x")], TOKENIZER, 20)
    assert [len(text_pass.label_sets) for text_pass in encoded.passes] == [1]
    assert encoded.targets == (((0, 0),), ((0, 0),))


def test_the_largest_cut_is_reported() -> None:
    long_glue = TextSlot(prefix="01234")
    encoded = encode_text("hello", [prepared("a", "x"), prepared("b", "y", long_glue)], TOKENIZER, 12)
    assert encoded.truncated_token_count == 5 + 5 - (12 - 2 - 2)
    assert encode_text("hi", [prepared("a", "x")], TOKENIZER, 12).truncated_token_count == 0


def test_a_text_for_no_label_set_costs_nothing() -> None:
    encoded = encode_text("hello", [], TOKENIZER, 12)
    assert (encoded.passes, encoded.targets, encoded.token_count) == ((), (), 0)
