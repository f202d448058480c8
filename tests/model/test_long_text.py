from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.reference import tiny_bert, write_reference

from model import Combine, Example, LabelSet, LongText, LongTextMode, Scorer
from model.long_text import combine_windows

modes = st.sampled_from(list(LongTextMode))
options = st.builds(
    LongText, modes, st.floats(0, 1), st.integers(0, 50), st.sampled_from(list(Combine)), st.integers(1, 9)
)


@given(options, st.integers(0, 200), st.integers(1, 40))
def test_no_part_is_larger_than_the_room_and_what_is_unread_is_counted(
    long_text: LongText, tokens: int, room: int
) -> None:
    parts = long_text.parts(tokens, room)
    read: set[int] = set()
    for part in parts:
        positions = [position for piece in part for position in range(piece.start, piece.stop)]
        assert len(positions) == min(tokens, room)
        assert len(set(positions)) == len(positions)
        read.update(positions)
    assert read <= set(range(tokens))
    assert long_text.unread(tokens, parts) == tokens - len(read)
    assert tokens > room or parts == [(slice(0, tokens),)]


@given(st.integers(0, 400), st.integers(1, 40), st.integers(0, 60))
def test_windows_cover_the_whole_text_and_overlap_as_asked(tokens: int, room: int, overlap: int) -> None:
    parts = LongText(LongTextMode.WINDOWS, overlap_tokens=overlap, max_windows=1000).parts(tokens, room)
    starts = [part[0].start for part in parts]
    stops = [part[0].stop for part in parts]
    assert starts[0] == 0
    assert stops[-1] == tokens
    for stop, following in zip(stops, starts[1:], strict=False):
        assert stop - following >= min(overlap, room // 2)


def test_the_number_of_windows_is_bounded() -> None:
    long_text = LongText(LongTextMode.WINDOWS, overlap_tokens=0, max_windows=3)
    parts = long_text.parts(100, 10)
    assert len(parts) == 3
    assert long_text.unread(100, parts) == 70


def test_head_and_tail_share_the_room() -> None:
    long_text = LongText(LongTextMode.HEAD_TAIL, head_share=0.75)
    assert long_text.parts(100, 8) == [(slice(0, 6), slice(98, 100))]
    assert long_text.unread(100, long_text.parts(100, 8)) == 92


def test_windows_are_combined_label_by_label() -> None:
    windows = [np.array([1, -1], dtype=np.float32), np.array([0, 3], dtype=np.float32)]
    assert combine_windows(windows, Combine.MAX).tolist() == [1, 3]
    assert combine_windows(windows, Combine.MEAN).tolist() == [0.5, 1]
    assert combine_windows(windows[:1], Combine.MEAN) is windows[0]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"head_share": 1.5}, "head_share is 1.5"),
        ({"overlap_tokens": -1}, "overlap_tokens is -1"),
        ({"max_windows": 0}, "max_windows is 0"),
    ],
)
def test_options_out_of_range_are_refused(fields: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LongText(**fields)  # pyright: ignore[reportArgumentType]


ARCHITECTURES: dict[str, Any] = {
    "prompt-first": {},
    "text-first": {"prompt_first": False},
    "bi-encoder": {"architecture_type": "bi-encoder", "label_encoder": tiny_bert()},
}
LABELS = LabelSet(("a", "b"), prompt="which? ", examples=(Example("one", ("a",)),))


@pytest.fixture(scope="module", params=sorted(ARCHITECTURES))
def scorer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    folder = write_reference(tmp_path_factory.mktemp(request.param), **ARCHITECTURES[request.param])
    return Scorer.load(folder, dtype="float32", max_tokens=80)


@pytest.mark.parametrize("mode", list(LongTextMode))
def test_a_text_that_fits_scores_alike_in_every_mode(scorer: Scorer, mode: LongTextMode) -> None:
    prepared = [scorer.prepare(LABELS)]
    plain, other = scorer.encode("short text", prepared), scorer.encode("short text", prepared, LongText(mode))
    np.testing.assert_array_equal(scorer.score([plain])[0][0], scorer.score([other])[0][0])
    assert other.truncated_token_count == 0


def test_head_and_tail_score_the_text_without_its_middle(scorer: Scorer) -> None:
    prepared = [scorer.prepare(LABELS)]
    long_text = LongText(LongTextMode.HEAD_TAIL, head_share=0.5)
    text = "a " * 100 + "b " * 100
    encoded = scorer.encode(text, prepared, long_text)
    assert len(encoded.passes) == 1
    kept = 200 - encoded.truncated_token_count
    assert encoded.token_count == 80
    shortened = "a " * round(kept / 2) + "b " * (kept - round(kept / 2))
    expected = scorer.score([scorer.encode(shortened, prepared)])[0][0]
    np.testing.assert_allclose(scorer.score([encoded])[0][0], expected, atol=1e-6)


@pytest.mark.parametrize("combine", list(Combine))
def test_windows_score_as_their_texts_do_alone(scorer: Scorer, combine: Combine) -> None:
    prepared = [scorer.prepare(LABELS), scorer.prepare(LabelSet(("c", "d", "e")))]
    long_text = LongText(LongTextMode.WINDOWS, overlap_tokens=4, combine=combine)
    words = [f"{chr(97 + index % 26)}" for index in range(150)]
    encoded = scorer.encode(" ".join(words), prepared, long_text)
    assert encoded.truncated_token_count == 0
    assert len(encoded.passes) > 3
    assert max(len(text_pass.token_ids) for text_pass in encoded.passes) <= 80
    for label_set, actual in zip(prepared, scorer.score([encoded])[0], strict=True):
        alone = scorer.encode(" ".join(words), [label_set])
        room = 150 - alone.truncated_token_count
        parts = LongText(LongTextMode.WINDOWS, overlap_tokens=4).parts(150, room)
        windows = [" ".join(words[part[0]]) for part in parts]
        scored = [scorer.score([scorer.encode(window, [label_set])])[0][0] for window in windows]
        np.testing.assert_allclose(actual, combine_windows(scored, combine), atol=1e-5)
