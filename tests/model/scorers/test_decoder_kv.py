"""The decoder-kv scorer and its recurrence, against the reference's on each text run alone."""

from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import pytest
import torch
from gliclass import GLiClassModelConfig
from gliclass.scorers import DecoderKVScorer
from hypothesis import given, settings
from hypothesis import strategies as st
from support.closeness import assert_equal_logits
from transformers import BertConfig

from model.configuration import GliclassConfig
from model.label_sections import LabelSections, find_label_sections
from model.scorers.decoder_kv import DecoderKvScorer
from model.scorers.recurrent import Recurrence

LABEL, SEP, SIZE = 7, 8, 128


def configuration(**changes: Any) -> GliclassConfig:
    values = {
        "encoder_config": BertConfig(hidden_size=SIZE, num_attention_heads=2, vocab_size=10).to_dict(),
        "class_token_index": LABEL,
        "sep_token_index": SEP,
        "scorer_mlp_hidden_size": 12,
        "scorer_encoder_num_layers": 1,
        "problem_type": "multi_label_classification",
    }
    return GliclassConfig.from_dict(values | changes)


def pair(config: GliclassConfig, seed: int = 0) -> tuple[Any, DecoderKvScorer]:
    torch.manual_seed(seed)
    reference = DecoderKVScorer(GLiClassModelConfig(**config.to_dict())).eval()
    for name, parameter in reference.named_parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.05 if "mlp" not in name else 0.3)
    ours = DecoderKvScorer(config).eval()
    ours.load_state_dict(reference.state_dict(), strict=True)
    return reference, ours


class Batch:
    """Random decoder states of texts with `sizes` of (context rows, words of each label)."""

    def __init__(self, sizes: list[tuple[int, list[int]]]) -> None:
        self.ids = [
            [*[1] * context, SEP, *[token for label in labels for token in [*[2] * label, LABEL]], SEP]
            for context, labels in sizes
        ]
        offsets = list(accumulate(map(len, self.ids), initial=0))
        packed = np.concatenate([np.asarray(ids) for ids in self.ids])
        spans, self.sections = find_label_sections(packed, offsets, class_token_index=LABEL, sep_token_index=SEP)
        states = torch.randn(len(packed), SIZE)
        self.states = states[torch.from_numpy(spans.rows())]
        whole = states.split([len(ids) for ids in self.ids])
        self.contexts = [own[:-length] for own, length in zip(whole, self.sections.lengths, strict=True)]

    @property
    def texts(self) -> dict[str, Any]:
        return {"text_states": torch.cat(self.contexts), "text_lengths": [len(rows) for rows in self.contexts]}

    def alone(self, reference: Any, **options: Any) -> list[tuple[torch.Tensor, int, tuple[Any, Any]]]:
        """(logits, steps taken, representations) of each text in the reference."""
        outputs = []
        for ids, states, context in zip(self.ids, self.states.split(self.sections.lengths), self.contexts, strict=True):
            section_ids = torch.tensor([ids[len(ids) - len(states) :]])
            logits, steps, representations = reference.recurrent_forward(
                states[None],
                section_ids,
                torch.ones_like(section_ids),
                text_hidden_states=context[None],
                text_attention_mask=torch.ones(1, len(context)),
                return_representations=True,
                **options,
            )
            outputs.append((logits[-1][0], int(steps[0]), representations))
        return outputs


sizes = st.lists(
    st.tuples(st.integers(0, 5), st.lists(st.integers(0, 3), min_size=1, max_size=8)), min_size=1, max_size=4
)


@settings(max_examples=25)
@given(sizes, st.booleans())
def test_label_sections_score_as_in_the_reference_run_alone(drawn: list[tuple[int, list[int]]], normalize: bool):
    reference, ours = pair(configuration(normalize_features=normalize))
    batch = Batch(drawn)
    scores = ours(batch.states, batch.sections, Recurrence(1))
    logits = scores.steps[-1].split(batch.sections.label_counts)
    classes = scores.classes.split(batch.sections.label_counts)
    for index, (expected, _, (text, labels)) in enumerate(batch.alone(reference)):
        assert_equal_logits(logits[index], expected)
        assert_equal_logits(scores.text[index], text[0])
        assert_equal_logits(classes[index], labels[0])


@settings(max_examples=25)
@given(sizes, st.booleans(), st.sampled_from(["single_label_classification", "multi_label_classification"]))
def test_every_text_stops_where_the_reference_stops_it_alone(
    drawn: list[tuple[int, list[int]]], read_text: bool, problem: str
):
    config = configuration(recurrent_steps=4, recurrent_read_text=read_text, problem_type=problem)
    reference, ours = pair(config)
    batch = Batch(drawn)
    threshold = halting_threshold(reference, batch)
    scores = ours(batch.states, batch.sections, Recurrence(4, threshold), **batch.texts)
    logits = scores.steps[-1].split(batch.sections.label_counts)
    for index, (expected, taken, (text, _)) in enumerate(batch.alone(reference, num_steps=4, halt_threshold=threshold)):
        assert scores.steps_taken[index] == taken
        assert_equal_logits(logits[index], expected)
        assert_equal_logits(scores.text[index], text[0])


def halting_threshold(reference: Any, batch: Batch) -> float:
    """A threshold that some steps reach, others do not and none comes close to, where the steps allow one."""
    moves = set()
    for ids, states, context in zip(batch.ids, batch.states.split(batch.sections.lengths), batch.contexts, strict=True):
        section_ids = torch.tensor([ids[len(ids) - len(states) :]])
        with torch.no_grad():
            steps, _ = reference.recurrent_forward(
                states[None],
                section_ids,
                torch.ones_like(section_ids),
                num_steps=4,
                return_all_steps=True,
                text_hidden_states=context[None],
                text_attention_mask=torch.ones(1, len(context)),
            )
        probabilities = [reference._probabilities(logits, torch.ones_like(logits).bool()) for logits in steps]
        moves |= {float((after - before).abs().max()) for before, after in pairwise(probabilities)}
    ordered = sorted(moves)
    between = [(low + high) / 2 for low, high in pairwise(ordered) if high - low > 1e-3]
    return between[len(between) // 2] if between else ordered[-1] + 0.1


def test_texts_of_one_batch_stop_after_different_numbers_of_steps():
    reference, ours = pair(configuration(recurrent_steps=6))
    batch = Batch([(3, [1, 2]), (1, [2]), (4, [1, 1, 1, 1]), (2, [3, 2])])
    threshold = halting_threshold(reference, batch)
    taken = ours(batch.states, batch.sections, Recurrence(6, threshold)).steps_taken
    assert taken == tuple(steps for _, steps, _ in batch.alone(reference, num_steps=6, halt_threshold=threshold))
    assert len(set(taken)) > 1


def test_without_a_threshold_every_step_is_returned():
    reference, ours = pair(configuration(recurrent_steps=3))
    batch = Batch([(1, [1, 2]), (2, [1])])
    scores = ours(batch.states, batch.sections, Recurrence(3))
    assert len(scores.steps) == 3
    assert scores.steps_taken == (3, 3)
    expected = torch.cat([logits for logits, _, _ in batch.alone(reference, num_steps=3)])
    assert_equal_logits(scores.steps[-1], expected)


def test_two_hundred_labels_are_scored():
    reference, ours = pair(configuration())
    batch = Batch([(2, [1] * 200)])
    logits = ours(batch.states, batch.sections, Recurrence(1)).steps[-1]
    assert_equal_logits(logits, batch.alone(reference)[0][0])


def test_gradients_reach_every_weight_through_all_steps():
    _, ours = pair(configuration(recurrent_steps=3, recurrent_read_text=True))
    batch = Batch([(1, [1, 2]), (2, [1])])
    steps = ours.train()(batch.states, batch.sections, Recurrence(3), **batch.texts).steps
    torch.stack(steps).sum().backward()
    assert {name for name, weight in ours.named_parameters() if weight.grad is None} == set()


def test_the_gradient_is_cut_every_few_steps():
    _, ours = pair(configuration(recurrent_steps=3, recurrent_bptt_steps=1))
    batch = Batch([(1, [1, 2])])
    ours(batch.states, batch.sections, Recurrence(1)).steps[0].sum().backward()
    first_step_only = ours.text_projector.weight.grad
    assert first_step_only is not None
    states = batch.states.requires_grad_()
    last = ours(states, batch.sections, Recurrence(3)).steps[-1]
    through_inputs = torch.autograd.grad(last.sum(), states)[0]
    assert torch.isfinite(through_inputs).all()
    _, whole = pair(configuration(recurrent_steps=3))
    uncut = torch.autograd.grad(whole(states, batch.sections, Recurrence(3)).steps[-1].sum(), states)[0]
    assert not torch.allclose(through_inputs, uncut)


def test_a_recurrence_that_reads_the_text_needs_it():
    _, ours = pair(configuration(recurrent_steps=2, recurrent_read_text=True))
    batch = Batch([(1, [1])])
    with pytest.raises(ValueError, match="recurrent_read_text needs the states of the texts"):
        ours(batch.states, batch.sections, Recurrence(2))


def test_sections_describe_their_rows():
    sections = LabelSections((2, 3), np.array([1, 4]), np.array([0, 2, 3]), (1, 2))
    assert sections.cumulative_lengths == (0, 2, 5)
