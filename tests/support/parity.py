"""Scores of this package against the reference's, text by text and batched."""

import unicodedata
from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st
from support.reference import LETTERS, Reference

from model import Example, LabelSet, Scorer

TOLERANCE = 1e-5

words = st.text(st.sampled_from(LETTERS), min_size=1, max_size=8)
# Any Unicode but surrogates, which the reference cannot tokenise; "<<" could begin a marker, a live token there.
unicode_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60).filter(lambda text: "<<" not in text)
texts = st.one_of(st.just(""), words, unicode_texts, st.lists(words, max_size=60).map(" ".join))
long_texts = st.builds(lambda word, count: f"{word} " * count, st.sampled_from(["a", "b,", "xy"]), st.just(2000))
# BERT's normaliser drops accents, and labels that differ in nothing else are refused.
labels = st.lists(words, min_size=1, max_size=12, unique_by=lambda word: without_accents(word)).map(tuple)
prompts = st.sampled_from(["", "topic: ", "glued", "what is it?\n"])
examples = st.lists(
    st.builds(
        Example,
        st.text(st.sampled_from(LETTERS + " "), max_size=12),
        st.lists(words, min_size=1, max_size=3).map(tuple),
    ),
    max_size=2,
).map(tuple)
label_sets = st.builds(LabelSet, labels, st.just(()), prompts, examples)


def without_accents(word: str) -> str:
    """The word as a tokenizer reads it that knows no accents."""
    return "".join(sign for sign in unicodedata.normalize("NFD", word) if not unicodedata.combining(sign))


def many_labels(count: int) -> LabelSet:
    """A label set of `count` short labels."""
    return LabelSet(tuple(f"l{index}" for index in range(count)))


def assert_parity(
    scorer: Scorer, reference: Reference, batch: Sequence[tuple[str, Sequence[LabelSet]]], scale: float = 1.0
) -> None:
    """Score the whole batch at once and compare each text and label set with the reference run alone.

    The tolerance is relative to `scale`, the size of the logits, where that is above 1.
    """
    encoded = [
        scorer.encode(text, [scorer.prepare(label_set) for label_set in label_sets]) for text, label_sets in batch
    ]
    for (text, wanted), scored in zip(batch, scorer.score(encoded), strict=True):
        for label_set, actual in zip(wanted, scored, strict=True):
            expected = reference.logits(text, label_set)
            tolerance = TOLERANCE * max(1.0, scale, float(np.abs(expected).max()))
            assert actual.dtype == np.float32
            assert actual.shape == (len(label_set.labels),)
            np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance)
