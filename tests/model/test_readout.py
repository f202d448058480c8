"""The rows a head reads, against the reference's own feature extraction on the sequence run alone."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from gliclass.model import GLiClassBaseModel, GLiClassUniEncoder
from hypothesis import given
from hypothesis import strategies as st

from model.readout import ReadoutRules, Spans, class_spans, plan_readout, segment_ids, select_rows, text_spans

LABEL, SEP, EXAMPLE = 7, 8, 9

sequences = st.lists(st.sampled_from([1, 2, LABEL, SEP, EXAMPLE]), min_size=1, max_size=20)
batches = st.lists(sequences, min_size=1, max_size=5)
rules = st.builds(
    ReadoutRules,
    class_token_index=st.just(LABEL),
    text_token_index=st.just(SEP),
    pooling_strategy=st.sampled_from(["first", "last", "avg", "pass"]),
    class_token_pooling=st.sampled_from(["first", "average"]),
    embed_class_token=st.booleans(),
    extract_text_features=st.booleans(),
    use_lstm=st.booleans(),
)


def packed(batch: list[list[int]]) -> tuple[np.ndarray, list[int]]:
    return np.concatenate([np.asarray(ids, dtype=np.int64) for ids in batch]), np.cumsum([0, *map(len, batch)]).tolist()


def reference_features(ids: list[int], hidden: torch.Tensor, given_rules: ReadoutRules, columns: int):
    """(class vectors [columns, H], text rows with their zero-filled tail, text mask) of the reference, run alone."""
    model: Any = SimpleNamespace(
        config=SimpleNamespace(
            class_token_index=LABEL,
            text_token_index=SEP,
            class_token_pooling=given_rules.class_token_pooling,
            embed_class_token=given_rules.embed_class_token,
            extract_text_features=given_rules.extract_text_features,
            max_num_classes=25,
        )
    )
    for name in ("_extract_class_features_first", "_extract_class_features_averaged"):
        setattr(model, name, getattr(GLiClassBaseModel, name).__get__(model))
    input_ids = torch.tensor([ids])
    classes, _, text, mask = GLiClassBaseModel._extract_class_features(
        model, hidden[None], input_ids, torch.ones_like(input_ids), columns
    )
    return classes[0], text[0], mask[0].bool()


@given(batches, rules)
def test_class_and_text_rows_are_those_of_the_reference_run_alone(batch: list[list[int]], given_rules: ReadoutRules):
    ids, offsets = packed(batch)
    hidden = torch.randn(len(ids), 3)
    classes, counts = class_spans(ids, offsets, given_rules)
    texts = text_spans(ids, offsets, given_rules)

    label = 0
    for index, sequence in enumerate(batch):
        assert counts[index] == sequence.count(LABEL)
        own = hidden[offsets[index] : offsets[index + 1]]
        expected_classes, expected_text, mask = reference_features(sequence, own, given_rules, counts[index])
        torch.testing.assert_close(hidden[texts.starts[index] : texts.stops[index]], expected_text[mask])
        for expected in expected_classes:
            rows = hidden[classes.starts[label] : classes.stops[label]]
            mean = rows.mean(dim=0) if len(rows) else torch.zeros(3)
            torch.testing.assert_close(mean, expected)
            label += 1


@given(batches, rules)
def test_a_plan_asks_for_every_row_that_it_reads_and_for_no_other(batch: list[list[int]], given_rules: ReadoutRules):
    ids, offsets = packed(batch)
    plan = plan_readout(ids, offsets, given_rules)
    returned = np.arange(len(ids)) if plan.rows is None else plan.rows
    read = np.concatenate([returned[plan.text_rows], returned[plan.class_rows]])

    assert set(returned.tolist()) == set(read.tolist())
    assert sorted(returned.tolist()) == returned.tolist()
    assert sum(plan.text_lengths) == len(plan.text_rows)
    assert sum(plan.class_lengths) == len(plan.class_rows)
    assert len(plan.class_lengths) == sum(plan.label_counts) == (ids == LABEL).sum()


@pytest.mark.parametrize("strategy", ["first", "last"])
def test_first_and_last_pooling_read_one_row_of_each_text(strategy: str):
    ids, offsets = packed([[1, LABEL, SEP, 2, 2], [1, LABEL, LABEL, SEP]])
    plan = plan_readout(ids, offsets, ReadoutRules(LABEL, SEP, pooling_strategy=strategy))
    assert plan.rows is not None
    assert plan.rows.tolist() == ([0, 1, 5, 6, 7] if strategy == "first" else [1, 4, 6, 7, 8])


@given(batches)
def test_segment_ids_are_those_of_the_reference(batch: list[list[int]]):
    ids, offsets = packed(batch)
    segments = segment_ids(ids, offsets, text_token_index=SEP, example_token_index=EXAMPLE)
    model: Any = SimpleNamespace(config=SimpleNamespace(text_token_index=SEP, example_token_index=EXAMPLE))
    for index, sequence in enumerate(batch):
        expected = GLiClassUniEncoder._create_segment_ids(model, torch.tensor([sequence]))
        assert segments[offsets[index] : offsets[index + 1]].tolist() == expected[0].tolist()


def test_an_example_makes_the_whole_sequence_segment_two():
    ids, offsets = packed([[1, LABEL, 2, SEP, 2, EXAMPLE, 2], [1, LABEL, 2, SEP, 2]])
    segments = segment_ids(ids, offsets, text_token_index=SEP, example_token_index=EXAMPLE)
    assert segments.tolist() == [2] * 7 + [0, 0, 0, 1, 1]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 5)), max_size=8))
def test_rows_of_ranges_are_the_ranges_one_after_the_other(ranges: list[tuple[int, int]]):
    spans = Spans(np.array([start for start, _ in ranges], dtype=np.int64), np.array([a + n for a, n in ranges], int))
    assert spans.rows().tolist() == [row for start, length in ranges for row in range(start, start + length)]


def test_selected_rows_are_renumbered_in_every_list():
    rows, (first, second) = select_rows(6, np.array([4, 1]), np.array([1, 5]))
    assert rows is not None
    assert rows.tolist() == [1, 4, 5]
    assert (first.tolist(), second.tolist()) == ([1, 0], [0, 2])


def test_nothing_is_selected_when_every_row_is_read():
    rows, (same,) = select_rows(2, np.array([1, 0]))
    assert rows is None
    assert same.tolist() == [1, 0]
