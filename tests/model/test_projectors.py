"""Projectors, LSTM and normalisation, against the reference's modules with the same weights."""

from types import SimpleNamespace
from typing import Any

import torch
from gliclass.layers import BiEncoderProjector as ReferenceBiEncoderProjector
from gliclass.layers import FeaturesProjector as ReferenceFeaturesProjector
from gliclass.layers import LstmSeq2SeqEncoder
from hypothesis import given
from hypothesis import strategies as st

from model.projectors import BiEncoderProjector, FeaturesProjector, PackedLstm, normalise

CONFIG: Any = SimpleNamespace(
    encoder_config=SimpleNamespace(hidden_size=6),
    label_model_config=SimpleNamespace(hidden_size=5),
    hidden_size=8,
    projector_hidden_act="gelu",
    dropout=0.5,
)


def test_the_projectors_hold_and_compute_what_the_references_do():
    reference, ours = ReferenceFeaturesProjector(CONFIG).eval(), FeaturesProjector(6, 8, "gelu", 0.5).eval()
    ours.load_state_dict(reference.state_dict(), strict=True)
    features = torch.randn(4, 6)
    torch.testing.assert_close(ours(features), reference(features))

    reference, ours = ReferenceBiEncoderProjector(CONFIG).eval(), BiEncoderProjector(5, 8, 6, "gelu").eval()
    ours.load_state_dict(reference.state_dict(), strict=True)
    features = torch.randn(4, 5)
    torch.testing.assert_close(ours(features), reference(features))


def test_dropout_acts_in_training_only():
    projector = FeaturesProjector(6, 64, "relu", 0.5)
    features = torch.randn(1, 6)
    assert not torch.equal(projector.train()(features), projector(features))
    assert torch.equal(projector.eval()(features), projector(features))


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6))
def test_the_lstm_reads_each_text_as_the_reference_does_alone(lengths: list[int]):
    reference = LstmSeq2SeqEncoder(6, 3, bidirectional=True)
    ours = PackedLstm(6, 3)
    ours.load_state_dict(reference.state_dict(), strict=True)
    rows = torch.randn(sum(lengths), 6)
    read = ours(rows, lengths)
    for own, output in zip(rows.split(lengths), read.split(lengths), strict=True):
        expected = reference(own[None], torch.ones(1, len(own), dtype=torch.int64))[0]
        torch.testing.assert_close(output, expected)


def test_gradients_pass_the_lstm():
    rows = torch.randn(5, 6, requires_grad=True)
    PackedLstm(6, 3)(rows, [2, 3]).sum().backward()
    assert rows.grad is not None
    assert bool((rows.grad.abs().sum(dim=1) > 0).all())


def test_the_two_normalisations_differ_where_a_vector_is_tiny():
    tiny = torch.tensor([[1e-8, 0.0]])
    torch.testing.assert_close(normalise(tiny), torch.tensor([[0.5, 0.0]]))
    torch.testing.assert_close(normalise(tiny, clamped=True), torch.tensor([[1.0, 0.0]]))
    torch.testing.assert_close(normalise(torch.tensor([[3.0, 4.0]])), torch.tensor([[0.6, 0.8]]))
