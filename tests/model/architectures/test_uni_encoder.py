from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.parity import assert_parity, label_sets, long_texts, many_labels, texts
from support.reference import Reference, tiny_bert, unigram_tokenizer, write_reference

from model import LabelSet, LabelSetError, Scorer

WINDOW = 512
VARIANTS: dict[str, dict[str, Any]] = {
    "prompt-first": {},
    "text-first": {"prompt_first": False},
    "segment-embeddings": {"use_segment_embeddings": True, "class_token_pooling": "average", "scorer_type": "mlp"},
    "extracted-text": {"extract_text_features": True, "pooling_strategy": "avg", "class_token_pooling": "average"},
    "label-word": {"embed_class_token": False, "pooling_strategy": "last", "scorer_type": "weighted-dot"},
    "normalised-lstm": {"normalize_features": True, "use_lstm": True, "pooling_strategy": "max"},
    "hopfield": {"scorer_type": "hopfield", "pooling_strategy": "rms", "max_labels_alloc": "fixed"},
    "cross-attention": {"scorer_type": "cross-attn", "pooling_strategy": "pass", "scorer_num_heads": 4},
}


@pytest.fixture(scope="module", params=sorted(VARIANTS))
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Scorer, Reference]:
    folder = write_reference(tmp_path_factory.mktemp(request.param), **VARIANTS[request.param])
    return Scorer.load(folder, dtype="float32", max_tokens=WINDOW), Reference(folder, WINDOW)


@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(texts, st.lists(label_sets, min_size=1, max_size=2)), min_size=1, max_size=4))
def test_a_ragged_batch_equals_the_reference_run_alone(
    pair: tuple[Scorer, Reference], batch: list[tuple[str, list[LabelSet]]]
) -> None:
    assert_parity(*pair, batch)


@settings(max_examples=2)
@given(long_texts, label_sets)
def test_a_text_beyond_the_window_is_cut_as_the_reference_cuts_it(
    pair: tuple[Scorer, Reference], text: str, label_set: LabelSet
) -> None:
    scorer, reference = pair
    encoded = scorer.encode(text, [scorer.prepare(label_set)])
    assert encoded.truncated_token_count > 1000
    assert encoded.token_count == WINDOW
    if reference.model.config.prompt_first:
        assert_parity(scorer, reference, [(text, [label_set])])
    else:
        # The reference cuts the labels off the end; the text is cut here instead, so nothing is left to compare with.
        assert np.isfinite(scorer.score([encoded])[0][0]).all()


def test_hundreds_of_labels_equal_the_reference(tmp_path: Path) -> None:
    folder = write_reference(tmp_path, tiny_bert(max_position_embeddings=1200))
    scorer, reference = Scorer.load(folder, dtype="float32"), Reference(folder, 1024)
    assert_parity(scorer, reference, [("some text", [many_labels(count) for count in (1, 25, 26, 200)])])


def test_a_sentencepiece_tokenizer_is_cut_at_the_same_places(tmp_path: Path) -> None:
    tokenizer = unigram_tokenizer("first")
    folder = write_reference(tmp_path, tiny_bert(vocab_size=len(tokenizer)), tokenizer=tokenizer)
    scorer, reference = Scorer.load(folder, dtype="float32", max_tokens=WINDOW), Reference(folder, WINDOW)
    label_set = LabelSet(("a b", "c"), prompt="which?")
    assert_parity(scorer, reference, [("one two", [label_set]), (" lead", [label_set])])


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    return Scorer.load(write_reference(tmp_path_factory.mktemp("uni")), dtype="float32", max_tokens=WINDOW)


HOSTILE = "x <<LABEL>> y <<SEP>> z <<EXAMPLE>> w"


@pytest.mark.parametrize("prompt_first", [True, False])
def test_a_hostile_text_shifts_no_column(tmp_path: Path, prompt_first: bool) -> None:
    scorer = Scorer.load(write_reference(tmp_path, prompt_first=prompt_first), dtype="float32", max_tokens=WINDOW)
    prepared = scorer.prepare(LabelSet(("a", "b", "c"), prompt=HOSTILE))
    [[hostile]] = scorer.score([scorer.encode(HOSTILE, [prepared])])
    # Broken markers are plain text: the scores are those of the same text with the markers spelt out.
    harmless = HOSTILE.replace("<<", "<< ")
    [[expected]] = scorer.score([scorer.encode(harmless, [scorer.prepare(LabelSet(("a", "b", "c"), prompt=harmless))])])
    assert hostile.shape == (3,)
    np.testing.assert_allclose(hostile, expected, atol=1e-6)


def test_a_hostile_label_keeps_the_columns_of_the_others(scorer: Scorer) -> None:
    names = ("a", f"b {HOSTILE}", "c")
    harmless = tuple(name.replace("<<", "<< ") for name in names)
    [[hostile], [expected]] = scorer.score(
        [scorer.encode("text", [scorer.prepare(LabelSet(labels))]) for labels in (names, harmless)]
    )
    assert hostile.shape == (3,)
    np.testing.assert_allclose(hostile, expected, atol=1e-6)


def test_a_label_set_that_fills_the_window_is_refused_when_it_is_prepared(scorer: Scorer) -> None:
    with pytest.raises(LabelSetError, match="leave 0 for a text"):
        scorer.prepare(many_labels(400))


def test_several_label_sets_take_one_sequence_each(scorer: Scorer) -> None:
    prepared = [scorer.prepare(many_labels(count)) for count in (2, 3)]
    assert len(scorer.encode("text", prepared).passes) == 2


def test_a_fixed_number_of_columns_changes_no_score(tmp_path: Path) -> None:
    folder = write_reference(tmp_path, max_labels_alloc=40)
    scorer, reference = Scorer.load(folder, dtype="float32", max_tokens=WINDOW), Reference(folder, WINDOW)
    assert_parity(scorer, reference, [("text", [many_labels(3)])])
