import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.parity import assert_parity, label_sets, long_texts, texts
from support.reference import Reference, tiny_bert, write_reference

from model import CheckpointError, Example, LabelSet, LabelSetError, Scorer
from model.checkpoint import load_checkpoint
from model.prompt import encode_text

WINDOW = 512
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "normalised": {"normalize_features": True, "prompt_first": False},
    "weighted-dot": {"scorer_type": "weighted-dot"},
    "wide": {"hidden_size": 64, "normalize_features": True},
}


def write_bi_encoder(folder: Path, **fields: Any) -> Path:
    # A tower of another width shows that the projector stands between the two.
    label_encoder = tiny_bert(hidden_size=48, num_hidden_layers=1)
    return write_reference(folder, label_encoder=label_encoder, architecture_type="bi-encoder", **fields)


@pytest.fixture(scope="module", params=sorted(VARIANTS))
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Scorer, Reference]:
    folder = write_bi_encoder(tmp_path_factory.mktemp(request.param), **VARIANTS[request.param])
    return Scorer.load(folder, dtype="float32", max_tokens=WINDOW), Reference(folder, WINDOW)


@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(texts, st.lists(label_sets, min_size=1, max_size=3)), min_size=1, max_size=4))
def test_a_ragged_batch_equals_the_reference_run_alone(
    pair: tuple[Scorer, Reference], batch: list[tuple[str, list[LabelSet]]]
) -> None:
    assert_parity(*pair, batch)


@settings(max_examples=2)
@given(long_texts, label_sets)
def test_a_text_beyond_the_window_is_cut_as_the_reference_cuts_it(
    pair: tuple[Scorer, Reference], text: str, label_set: LabelSet
) -> None:
    assert_parity(*pair, [(text, [label_set])])


@pytest.mark.parametrize("pooling", ["last", "avg", "max", "sum", "rms", "abs_max", "abs_avg"])
def test_every_pooling_equals_the_reference_for_one_label_alone(tmp_path: Path, pooling: str) -> None:
    # With several labels the reference pools over the padding of the shorter ones.
    folder = write_bi_encoder(tmp_path, pooling_strategy=pooling)
    scorer, reference = Scorer.load(folder, dtype="float32", max_tokens=WINDOW), Reference(folder, WINDOW)
    expected = reference.logits("a text of words", LabelSet(("label",)))
    [[actual]] = scorer.score([scorer.encode("a text of words", [scorer.prepare(LabelSet(("label", "longer one")))])])
    np.testing.assert_allclose(actual[0], expected[0], rtol=1e-5, atol=1e-5)


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    return Scorer.load(write_bi_encoder(tmp_path_factory.mktemp("bi")), dtype="float32", max_tokens=WINDOW)


def test_all_label_sets_of_a_text_take_one_pass(scorer: Scorer) -> None:
    prepared = [scorer.prepare(LabelSet((name, "other"))) for name in "abc"]
    encoded = scorer.encode("text", prepared)
    assert len(encoded.passes) == 1
    assert encoded.token_count == scorer.encode("text", prepared[:1]).token_count


def test_label_sets_with_different_prompts_take_a_pass_each(scorer: Scorer) -> None:
    prepared = [scorer.prepare(LabelSet(("a",), prompt=prompt)) for prompt in ("", "topic", "mood")]
    assert len(scorer.encode("text", prepared).passes) == 3


def test_label_vectors_are_computed_once_for_equal_label_sets(scorer: Scorer) -> None:
    first = scorer.prepare(LabelSet(("a", "b")))
    assert first.vectors is not None
    assert first.vectors.shape == (2, 32)
    assert scorer.prepare(LabelSet(("a", "b"))) is first


def test_ignored_examples_are_said_to_be_ignored(scorer: Scorer) -> None:
    (remark,) = scorer.prepare(LabelSet(("a", "b"), examples=(Example("secret", ("a",)),))).remarks
    assert remark.field == "examples"
    assert "have no effect" in remark.message
    assert "secret" not in remark.message


def test_a_label_beyond_the_label_window_is_refused(scorer: Scorer) -> None:
    with pytest.raises(LabelSetError, match=r"labels\[1\] .* has 692 tokens"):
        scorer.prepare(LabelSet(("a", "x" * 90 + " x" * 600)))


def test_both_towers_learn(tmp_path: Path) -> None:
    checkpoint = load_checkpoint(write_bi_encoder(tmp_path), max_tokens=WINDOW)
    scorer = Scorer(checkpoint, dtype="float32")
    prepared = scorer.prepare(LabelSet(("a", "b")))
    object.__setattr__(prepared, "vectors", None)
    encoded = encode_text("text", [prepared], checkpoint.tokenizers.text, WINDOW)
    checkpoint.model(encoded.passes).logits.sum().backward()
    for tower in ("model.encoder_model", "model.label_encoder", "model.biencoder_projector"):
        gradient = next(checkpoint.model.get_submodule(tower).parameters()).grad
        assert gradient is not None
        assert bool(torch.isfinite(gradient).all())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"pooling_strategy": "pass", "scorer_type": "cross-attn", "scorer_num_heads": 4}, "'pass' does not work with"),
        ({"label_model_name": None}, "label_model_name is missing"),
    ],
)
def test_a_bi_encoder_that_cannot_work_is_refused(tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    folder = write_bi_encoder(tmp_path)
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(folder)
