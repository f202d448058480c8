"""Finding the label sections of decoder-kv sequences, against the reference's own extraction."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from gliclass.model import GLiClassDecoderKV
from hypothesis import given
from hypothesis import strategies as st

from model.label_sections import find_label_sections

LABEL, SEP = 7, 8

words = st.lists(st.integers(1, 3), max_size=3)
sequences = st.builds(
    lambda context, earlier, labels: [
        *context,
        *[SEP] * earlier,
        SEP,
        *[token for label in labels for token in [*label, LABEL]],
        SEP,
    ],
    words,
    st.integers(0, 1),
    st.lists(words, min_size=1, max_size=5),
)
batches = st.lists(sequences, min_size=1, max_size=5)


def packed(batch: list[list[int]]) -> tuple[np.ndarray, list[int]]:
    return np.concatenate([np.asarray(ids, dtype=np.int64) for ids in batch]), np.cumsum([0, *map(len, batch)]).tolist()


@given(batches)
def test_sections_are_those_of_the_reference(batch: list[list[int]]):
    ids, offsets = packed(batch)
    spans, sections = find_label_sections(ids, offsets, class_token_index=LABEL, sep_token_index=SEP)
    model: Any = SimpleNamespace(sep_token_id=SEP, config=SimpleNamespace(class_token_index=LABEL))
    inside = ids[spans.rows()]
    assert (inside[sections.separators] == SEP).all()
    assert (inside[sections.labels] == LABEL).all()
    for index, sequence in enumerate(batch):
        input_ids = torch.tensor([sequence])
        states = torch.arange(len(sequence), dtype=torch.float32)[None, :, None] + offsets[index]
        expected, expected_ids, _ = GLiClassDecoderKV._extract_label_section(
            model, states, input_ids, torch.ones_like(input_ids)
        )
        assert expected.flatten().tolist() == list(range(spans.starts[index], spans.stops[index]))
        assert sections.lengths[index] == expected_ids.shape[1]
        assert sections.label_counts[index] == (expected_ids == LABEL).sum()
        own = sections.separators[index] - sections.cumulative_lengths[index]
        assert own == max(place for place, token in enumerate(expected_ids[0].tolist()) if token == SEP)


@given(batches, st.data())
def test_a_subset_keeps_the_chosen_sections(batch: list[list[int]], data: st.DataObject):
    ids, offsets = packed(batch)
    spans, sections = find_label_sections(ids, offsets, class_token_index=LABEL, sep_token_index=SEP)
    inside = ids[spans.rows()]
    chosen = sorted(data.draw(st.sets(st.sampled_from(range(len(batch))), min_size=1)))
    kept, kept_ids = sections.subset(chosen), inside[sections.rows_of(chosen)]

    alone, alone_sections = find_label_sections(
        *packed([batch[index] for index in chosen]), class_token_index=LABEL, sep_token_index=SEP
    )
    assert kept_ids.tolist() == np.concatenate([batch[index] for index in chosen])[alone.rows()].tolist()
    assert kept.lengths == alone_sections.lengths
    assert kept.label_counts == alone_sections.label_counts
    assert kept.separators.tolist() == alone_sections.separators.tolist()
    assert kept.labels.tolist() == alone_sections.labels.tolist()
    assert (inside[sections.labels[sections.labels_of(chosen)]] == LABEL).all()
    assert len(sections.labels_of(chosen)) == sum(kept.label_counts)


@pytest.mark.parametrize("ids", [[1, SEP, 2, SEP], [1, LABEL, SEP], [1, SEP, 2, LABEL]])
def test_a_sequence_without_its_markers_is_refused(ids: list[int]):
    with pytest.raises(ValueError, match="sequence 0 is not"):
        find_label_sections(np.array(ids), [0, len(ids)], class_token_index=LABEL, sep_token_index=SEP)
