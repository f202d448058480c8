"""Which rows of a packed batch a classification head reads.

Pure index arithmetic on the token ids that the host already holds: no torch, no device, so an encoder can be told
before it runs which rows its last layer has to produce.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ReadoutRules:
    """The fields of a checkpoint's configuration that decide what the head reads; names as in config.json."""

    class_token_index: int
    text_token_index: int
    pooling_strategy: str = "first"
    class_token_pooling: str = "first"
    embed_class_token: bool = True
    extract_text_features: bool = False
    use_lstm: bool = False


@dataclass(frozen=True, slots=True)
class Spans:
    """Half-open row ranges `[starts[i], stops[i])`; a range may be empty."""

    starts: Indices
    stops: Indices

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def lengths(self) -> Indices:
        return self.stops - self.starts

    def rows(self) -> Indices:
        """All rows of all ranges, range after range."""
        lengths = self.lengths
        first_slot = np.cumsum(lengths) - lengths
        return np.arange(int(lengths.sum()), dtype=np.int64) + np.repeat(self.starts - first_slot, lengths)


@dataclass(frozen=True, slots=True)
class Readout:
    """The rows a head reads from N sequences with C labels in all.

    Attributes:
        rows: ascending rows of the packed batch that the encoder must return; None when it must return all of them.
        text_rows, text_lengths: the *returned* rows that are pooled, text after text, and how many of each text.
        text_padded_lengths: rows of each text as the reference pools it, a zero-filled tail included; equal to
            `text_lengths` where the tail is already accounted for by the choice of rows.
        class_rows, class_lengths: the *returned* rows of each label, label after label, and how many of each.
        label_counts: labels found in each sequence; sums to C.
    """

    rows: Indices | None
    text_rows: Indices
    text_lengths: tuple[int, ...]
    text_padded_lengths: tuple[int, ...]
    class_rows: Indices
    class_lengths: tuple[int, ...]
    label_counts: tuple[int, ...]


def class_spans(
    input_ids: Indices, cumulative_lengths: Sequence[int], rules: ReadoutRules
) -> tuple[Spans, tuple[int, ...]]:
    """The rows of each label, in order of appearance, and the number of labels of each sequence.

    "first": the marker's row (with `embed_class_token` off, the row after it; a marker that ends its sequence then
    has no row). "average": from the marker up to the next marker. The last label's range runs to the end of the
    sequence, over separator, prompt, text and examples, as in the reference; only `extract_text_features` ends it
    (and every range) at the first separator. That makes the last label a different feature from the others; the
    published average-pooling checkpoints were trained so.
    """
    offsets = np.asarray(cumulative_lengths, dtype=np.int64)
    markers = np.flatnonzero(input_ids == rules.class_token_index).astype(np.int64)
    sequences = np.searchsorted(offsets, markers, side="right") - 1
    counts = np.bincount(sequences, minlength=len(offsets) - 1)
    ends = offsets[1:][sequences]
    starts = markers if rules.embed_class_token else markers + 1
    if rules.class_token_pooling == "average":
        stops = np.minimum(np.append(markers[1:], np.iinfo(np.int64).max), ends)
        if rules.extract_text_features:
            separators = _first_of_each(input_ids, rules.text_token_index, offsets, offsets[1:])
            stops = np.minimum(stops, separators[sequences])
    else:
        stops = np.minimum(starts + 1, ends)
    return Spans(np.minimum(starts, stops), stops), tuple(counts.tolist())


def text_spans(input_ids: Indices, cumulative_lengths: Sequence[int], rules: ReadoutRules) -> Spans:
    """The rows that are pooled into each sequence's text vector, one range per sequence.

    Without `extract_text_features` the whole sequence, labels included; with it from the first separator (inclusive)
    to the end, or the whole sequence where the separator is missing.
    """
    offsets = np.asarray(cumulative_lengths, dtype=np.int64)
    if not rules.extract_text_features:
        return Spans(offsets[:-1], offsets[1:])
    return Spans(_first_of_each(input_ids, rules.text_token_index, offsets, offsets[:-1]), offsets[1:])


def plan_readout(input_ids: Indices, cumulative_lengths: Sequence[int], rules: ReadoutRules) -> Readout:
    """Plan the head's reading of sequences that hold both the labels and the text (uni-encoder layout).

    input_ids: int64 [T], the packed ids on the host.
    """
    classes, label_counts = class_spans(input_ids, cumulative_lengths, rules)
    texts = text_spans(input_ids, cumulative_lengths, rules)
    padded = texts.lengths if rules.use_lstm else np.diff(np.asarray(cumulative_lengths, dtype=np.int64))
    read = trimmed_to_pooling(texts, padded, rules)
    rows, (text_rows, class_rows) = select_rows(len(input_ids), read.rows(), classes.rows())
    return Readout(
        rows=rows,
        text_rows=text_rows,
        text_lengths=tuple(read.lengths.tolist()),
        text_padded_lengths=tuple((padded if read is texts else read.lengths).tolist()),
        class_rows=class_rows,
        class_lengths=tuple(classes.lengths.tolist()),
        label_counts=label_counts,
    )


def trimmed_to_pooling(texts: Spans, padded_lengths: Indices, rules: ReadoutRules) -> Spans:
    """Keep only the rows that the pooling looks at: one for "first" and "last" unless an LSTM reads them all.

    "last" of a text with a zero-filled tail is a zero vector in the reference: an empty range here.
    """
    if rules.use_lstm or rules.pooling_strategy not in ("first", "last"):
        return texts
    if rules.pooling_strategy == "first":
        return Spans(texts.starts, np.minimum(texts.starts + 1, texts.stops))
    has_tail = padded_lengths > texts.lengths
    return Spans(np.where(has_tail, texts.stops, texts.stops - 1), texts.stops)


def select_rows(total_rows: int, *row_lists: Indices) -> tuple[Indices | None, tuple[Indices, ...]]:
    """The union of the row lists, and the lists renumbered to it.

    The union is None (return every row) when nothing would be left out.
    """
    wanted = np.zeros(total_rows, dtype=bool)
    for rows in row_lists:
        wanted[rows] = True
    if wanted.all():
        return None, row_lists
    renumbered = np.cumsum(wanted) - 1
    return np.flatnonzero(wanted).astype(np.int64), tuple(renumbered[rows] for rows in row_lists)


def segment_ids(
    input_ids: Indices, cumulative_lengths: Sequence[int], *, text_token_index: int, example_token_index: int
) -> Indices:
    """Segment of each token, int64 [T]: 0 labels, 1 from the first separator on, 2 for the whole sequence when it
    holds an example marker.

    The reference means 2 to start at the first example but searches for the first token that is *not* the marker,
    which is the first token of the sequence (the second when the sequence begins with the marker). Published
    checkpoints were trained so. A sequence without a separator is all 1.
    """
    offsets = np.asarray(cumulative_lengths, dtype=np.int64)
    lengths = np.diff(offsets)
    positions = np.arange(len(input_ids), dtype=np.int64)
    text_starts = _first_of_each(input_ids, text_token_index, offsets, offsets[:-1])
    segments = (positions >= np.repeat(text_starts, lengths)).astype(np.int64)
    is_example = input_ids == example_token_index
    if not is_example.any():
        return segments
    for start, stop in pairwise(cumulative_lengths):
        inside = is_example[start:stop]
        if inside.any():
            segments[start + int(inside.argmin()) : stop] = 2
    return segments


def _first_of_each(input_ids: Indices, token: int, offsets: Indices, default: Indices) -> Indices:
    """Row of the first `token` in each sequence; `default` (one row per sequence) where there is none."""
    found = np.flatnonzero(input_ids == token)
    slots = np.searchsorted(found, offsets[:-1])
    padded = np.append(found, np.iinfo(np.int64).max)
    return np.where(padded[slots] < offsets[1:], padded[slots], default).astype(np.int64)
