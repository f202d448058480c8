"""Where the labels of a decoder-kv sequence stand: `context <<SEP>> label <<LABEL>> ... <<SEP>>`.

Index arithmetic on the host, as in `model.readout`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np

from model.readout import Indices, Spans


@dataclass(frozen=True, slots=True)
class LabelSections:
    """The label sections of N texts, concatenated to S rows.

    Attributes:
        lengths: rows of each section.
        separators: int64 [N], the row of each section's last separator.
        labels: int64 [C], the rows of the label markers, ascending.
        label_counts: markers in each section.
    """

    lengths: tuple[int, ...]
    separators: Indices
    labels: Indices
    label_counts: tuple[int, ...]

    @property
    def cumulative_lengths(self) -> tuple[int, ...]:
        """N + 1 integers: section i owns rows `cumulative_lengths[i]:cumulative_lengths[i + 1]`."""
        return tuple(accumulate(self.lengths, initial=0))

    def rows_of(self, texts: Sequence[int]) -> Indices:
        """The rows of the sections of these texts, section after section."""
        offsets = np.asarray(self.cumulative_lengths, dtype=np.int64)
        chosen = np.asarray(texts, dtype=np.int64)
        return Spans(offsets[chosen], offsets[chosen + 1]).rows()

    def labels_of(self, texts: Sequence[int]) -> Indices:
        """Which of the C labels belong to these texts, text after text."""
        offsets = np.asarray(tuple(accumulate(self.label_counts, initial=0)), dtype=np.int64)
        chosen = np.asarray(texts, dtype=np.int64)
        return Spans(offsets[chosen], offsets[chosen + 1]).rows()

    def subset(self, texts: Sequence[int]) -> "LabelSections":
        """The sections of these texts alone, renumbered to `rows_of(texts)`."""
        lengths = tuple(self.lengths[text] for text in texts)
        counts = tuple(self.label_counts[text] for text in texts)
        chosen = np.asarray(texts, dtype=np.int64)
        shifts = np.asarray(tuple(accumulate(lengths, initial=0))[:-1], dtype=np.int64) - np.asarray(
            self.cumulative_lengths, dtype=np.int64
        ).take(chosen)
        labels = self.labels[self.labels_of(texts)] + np.repeat(shifts, counts)
        return LabelSections(lengths, self.separators[chosen] + shifts, labels, counts)


def find_label_sections(
    input_ids: Indices, cumulative_lengths: Sequence[int], *, class_token_index: int, sep_token_index: int
) -> tuple[Spans, LabelSections]:
    """The rows of each sequence's label section in the packed batch, and the sections themselves.

    A section starts after the last separator that precedes the first marker and ends with its sequence.

    Raises:
        ValueError: a sequence without a marker, or without a separator on both sides of its markers. (The reference
            scores such a sequence from whatever rows it has.)
    """
    starts, separators, labels, counts = [], [], [], []
    section_start = 0
    for sequence, (start, stop) in enumerate(pairwise(cumulative_lengths)):
        ids = input_ids[start:stop]
        markers = np.flatnonzero(ids == class_token_index)
        ends = np.flatnonzero(ids == sep_token_index)
        before = ends[ends < markers[0]] if len(markers) else ends[:0]
        if not len(before) or ends[-1] < markers[-1]:
            raise ValueError(f"sequence {sequence} is not 'context <<SEP>> label <<LABEL>> ... <<SEP>>'")
        first = int(before[-1]) + 1
        starts.append(start + first)
        separators.append(section_start + int(ends[-1]) - first)
        labels.append(section_start + markers - first)
        counts.append(len(markers))
        section_start += len(ids) - first
    spans = Spans(np.asarray(starts, dtype=np.int64), np.asarray(cumulative_lengths[1:], dtype=np.int64))
    sections = LabelSections(
        tuple(spans.lengths.tolist()),
        np.asarray(separators, dtype=np.int64),
        np.concatenate(labels).astype(np.int64),
        tuple(counts),
    )
    return spans, sections
