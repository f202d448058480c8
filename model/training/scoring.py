"""Labelled texts through a `Scorer`: logits and truth of a whole set as matrices."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.label_set import LabelSet
from model.prompt import PreparedLabelSet
from model.scorer import Scorer
from model.training.data import IGNORED, TrainingExample
from model.training.errors import DataError

BATCH_TOKENS = 4096


@dataclass(frozen=True, slots=True)
class ScoredSet:
    """Scores of a set.

    Attributes:
        labels: columns; every label of any example.
        logits: float64 [texts, labels]; minus infinity where a text was not asked about a label, or the truth is not
            known.
        truth: bool [texts, labels].
        multi_label: whether some example has several true labels.
        truncated: texts that were cut to fit the window.
        texts_per_second: while scoring, tokenising included.
    """

    labels: tuple[str, ...]
    logits: NDArray[np.float64]
    truth: NDArray[np.bool_]
    multi_label: bool
    truncated: int
    texts_per_second: float


def score_set(scorer: Scorer, examples: Sequence[TrainingExample]) -> ScoredSet:
    """Score every example under its own label set, longest texts last, in batches of about BATCH_TOKENS tokens.

    Raises:
        DataError: there is no example.
        LabelSetError: a label set does not fit the model.
    """
    if not examples:
        raise DataError("the data holds no row to score")
    labels = tuple(dict.fromkeys(label for example in examples for label in example.labels))
    column = {label: index for index, label in enumerate(labels)}
    logits = np.full((len(examples), len(labels)), -np.inf)
    truth = np.zeros(logits.shape, dtype=bool)
    began_at = time.perf_counter()
    prepared: dict[LabelSet, PreparedLabelSet] = {}
    encoded = []
    for example in examples:
        if example.label_set not in prepared:
            prepared[example.label_set] = scorer.prepare(example.label_set)
        encoded.append(scorer.encode(example.text, [prepared[example.label_set]]))
    for batch in batches_by_length([one.token_count for one in encoded], BATCH_TOKENS):
        for row, scores in zip(batch, scorer.score([encoded[one] for one in batch]), strict=True):
            columns = [column[label] for label in examples[row].labels]
            known = np.asarray(examples[row].targets) != IGNORED
            logits[row, columns] = np.where(known, scores[0], -np.inf)
            truth[row, columns] = np.asarray(examples[row].targets) >= 0.5
    seconds = time.perf_counter() - began_at
    return ScoredSet(
        labels=labels,
        logits=logits,
        truth=truth,
        multi_label=bool((truth.sum(axis=1) > 1).any()),
        truncated=sum(one.truncated_token_count > 0 for one in encoded),
        texts_per_second=len(examples) / seconds,
    )


def batches_by_length(token_counts: Sequence[int], batch_tokens: int) -> Iterator[list[int]]:
    """Places of all texts, the shortest first, in batches that end as soon as they hold `batch_tokens` tokens."""
    batch: list[int] = []
    held = 0
    for place in sorted(range(len(token_counts)), key=token_counts.__getitem__):
        batch.append(place)
        held += token_counts[place]
        if held >= batch_tokens:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch
