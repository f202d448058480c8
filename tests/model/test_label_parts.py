from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.reference import write_reference
from support.tiny_checkpoint import write_tiny_checkpoint

from model import Example, LabelSet, LabelSetError, LongText, LongTextMode, Scorer
from model.label_parts import in_parts, parts_that_fit

WINDOW = 100


def room_beside(label_set: LabelSet) -> int:
    """As of a model that takes a token a letter, and one for each label."""
    room = WINDOW - len(label_set.prompt) - sum(len(label) + 1 for label in label_set.shown_labels)
    if room < 8:
        raise LabelSetError("no room")
    return room


def labels_of(parts: list[LabelSet]) -> list[str]:
    return [label for part in parts for label in part.labels]


@given(st.lists(st.integers(1, 40), min_size=1, max_size=60), st.integers(0, 40))
def test_parts_hold_every_label_once_in_order_and_leave_room(lengths: list[int], prompt: int) -> None:
    labels = tuple(f"{number:0>{length}}" for number, length in enumerate(lengths))
    descriptions = tuple(None if length % 2 else "why" for length in lengths)
    label_set = LabelSet(labels, descriptions, prompt="p" * prompt, labels_in_parts=True)
    try:
        parts = parts_that_fit(label_set, room_beside, WINDOW)
    except LabelSetError:
        # Only where one label alone does not fit.
        longest = max(zip(label_set.shown_labels, labels, descriptions, strict=True), key=lambda one: len(one[0]))
        with pytest.raises(LabelSetError):
            room_beside(LabelSet((longest[1],), (longest[2],), prompt="p" * prompt))
        return
    assert labels_of(parts) == list(labels)
    assert [one for part in parts for one in part.descriptions] == list(descriptions)
    assert all(part.prompt == label_set.prompt and not part.labels_in_parts for part in parts)
    longest_alone = max(label_set.shown_labels, key=len)
    wanted = min(WINDOW, room_beside(LabelSet((longest_alone,), prompt="p" * prompt))) // 2
    assert all(room_beside(part) >= wanted for part in parts)
    sizes = [len(part.labels) for part in parts]
    assert max(sizes) - min(sizes) <= 1


def test_labels_that_leave_half_of_the_window_stay_together() -> None:
    label_set = LabelSet(("a", "b", "c"), labels_in_parts=True)
    assert [part.labels for part in parts_that_fit(label_set, room_beside, WINDOW)] == [("a", "b", "c")]


def test_there_are_no_more_parts_than_needed() -> None:
    label_set = LabelSet(tuple(f"{number:02}" for number in range(60)), labels_in_parts=True)
    parts = parts_that_fit(label_set, room_beside, WINDOW)
    wanted = (WINDOW - 3) // 2
    assert all(room_beside(part) >= wanted for part in parts)
    assert not all(room_beside(part) >= wanted for part in in_parts(label_set, len(parts) - 1))


@pytest.fixture(scope="module", params=["uni-encoder", "bi-encoder"])
def scorer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    folder = write_tiny_checkpoint(tmp_path_factory.mktemp("tiny"), architecture=request.param)
    return Scorer.load(folder, device="cpu", dtype="float32")


MANY = tuple(f"label {number}" for number in range(300))


def test_three_hundred_labels_are_scored_where_that_is_allowed_and_refused_elsewhere(scorer: Scorer) -> None:
    if scorer.architecture == "uni-encoder":
        with pytest.raises(LabelSetError, match="or set labels_in_parts"):
            scorer.prepare(LabelSet(MANY))
    prepared = scorer.prepare(LabelSet(MANY, labels_in_parts=True))
    assert prepared is scorer.prepare(LabelSet(MANY, labels_in_parts=True))
    assert bool(prepared.parts) == (scorer.architecture == "uni-encoder")
    few = scorer.prepare(LabelSet(("a", "b")))
    encoded = scorer.encode("a text", [few, prepared, few])
    [[first, many, last]] = scorer.score([encoded])
    assert (first.shape, many.shape, last.shape) == ((2,), (300,), (2,))
    np.testing.assert_array_equal(first, last)
    assert encoded.token_count == sum(len(one.token_ids) for one in encoded.passes)


def test_a_part_scores_as_the_label_set_that_it_is(scorer: Scorer) -> None:
    whole = LabelSet(MANY, prompt="about: ", labels_in_parts=True)
    prepared = scorer.prepare(whole)
    alone = [scorer.prepare(part.label_set) for part in prepared.scored_as]
    long_text = LongText(LongTextMode.WINDOWS, overlap_tokens=4)
    for text in ("a text", "many words " * 300):
        [[joined]] = scorer.score([scorer.encode(text, [prepared], long_text)])
        [parts] = scorer.score([scorer.encode(text, alone, long_text)])
        np.testing.assert_allclose(joined, np.concatenate(parts), rtol=0, atol=1e-5)


def test_probabilities_of_one_choice_add_up_over_all_parts(scorer: Scorer) -> None:
    shares = scorer.classify("a text", LabelSet(MANY, labels_in_parts=True), exclusive=True)
    assert list(shares) == list(MANY)
    assert sum(shares.values()) == pytest.approx(1)


def test_labels_that_fit_score_as_without_the_permission(scorer: Scorer) -> None:
    both = [scorer.prepare(LabelSet(("a", "b"), labels_in_parts=allowed)) for allowed in (False, True)]
    assert not both[1].parts
    [[without, allowed]] = scorer.score([scorer.encode("a text", both)])
    np.testing.assert_array_equal(without, allowed)


def test_one_label_beyond_the_window_is_refused_all_the_same(tmp_path: Path) -> None:
    scorer = Scorer.load(write_reference(tmp_path), device="cpu", dtype="float32", max_tokens=100)
    examples = (Example("x" * 90, ("a",)),)
    with pytest.raises(LabelSetError, match="leave 0 for a text"):
        scorer.prepare(LabelSet(("a", "b"), examples=examples, labels_in_parts=True))
