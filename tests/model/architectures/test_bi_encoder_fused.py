from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.parity import assert_parity, label_sets, many_labels, texts
from support.reference import Reference, tiny_bert, write_reference
from support.weights import logit_scale

from model import CheckpointError, Example, LabelSet, Scorer
from model.checkpoint import load_checkpoint
from model.prompt import encode_text

WINDOW = 512
VARIANTS: dict[str, dict[str, Any]] = {
    "text first": {"prompt_first": False, "scorer_type": "hopfield"},
    "labels first": {"normalize_features": True, "scorer_type": "mlp"},
}


def write_fused(folder: Path, **fields: Any) -> Path:
    label_encoder = tiny_bert(hidden_size=48, num_hidden_layers=1)
    return write_reference(folder, label_encoder=label_encoder, architecture_type="bi-encoder-fused", **fields)


class Pair(NamedTuple):
    scorer: Scorer
    reference: Reference
    scale: float


@pytest.fixture(scope="module", params=sorted(VARIANTS))
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    folder = write_fused(tmp_path_factory.mktemp("fused"), **VARIANTS[request.param])
    scorer = Scorer.load(folder, dtype="float32", max_tokens=WINDOW)
    return Pair(scorer, Reference(folder, WINDOW), logit_scale(scorer))


@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(texts, st.lists(label_sets, min_size=1, max_size=3)), min_size=1, max_size=4))
def test_a_ragged_batch_equals_the_reference_run_alone(pair: Pair, batch: list[tuple[str, list[LabelSet]]]) -> None:
    assert_parity(pair.scorer, pair.reference, batch, pair.scale)


@pytest.mark.parametrize("count", [1, 200])
def test_few_and_many_labels_equal_the_reference(pair: Pair, count: int) -> None:
    assert_parity(pair.scorer, pair.reference, [("a text", [many_labels(count), LabelSet(("beside",))])], pair.scale)


def test_a_text_beyond_the_window_loses_its_end_and_its_examples_first(tmp_path: Path) -> None:
    folder = write_fused(tmp_path)
    label_set = LabelSet(("a", "b"), prompt="topic:", examples=(Example("an example", ("a",)),))
    assert_parity(
        Scorer.load(folder, dtype="float32", max_tokens=WINDOW), Reference(folder, WINDOW), [("ab " * 900, [label_set])]
    )


def test_in_text_first_order_a_long_text_leaves_every_label_its_marker(tmp_path: Path) -> None:
    scorer = Scorer.load(write_fused(tmp_path, prompt_first=False), dtype="float32", max_tokens=WINDOW)
    encoded = scorer.encode("ab " * 900, [scorer.prepare(many_labels(40))])
    assert encoded.token_count == WINDOW
    assert encoded.truncated_token_count > 0
    assert scorer.score([encoded])[0][0].shape == (40,)


@pytest.mark.parametrize("pooling", ["last", "avg", "max", "sum", "rms", "abs_max", "abs_avg"])
def test_every_pooling_equals_the_reference_for_labels_of_one_length(tmp_path: Path, pooling: str) -> None:
    # Labels of different lengths are padded in the reference, and its poolings read the padding.
    folder = write_fused(tmp_path, pooling_strategy=pooling, spread=1.5)
    scorer, reference = Scorer.load(folder, dtype="float32", max_tokens=WINDOW), Reference(folder, WINDOW)
    assert_parity(scorer, reference, [("a text of words", [LabelSet(("ab", "cd"))]), ("b", [LabelSet(("ef",))])])


def test_both_towers_and_their_meeting_learn(tmp_path: Path) -> None:
    checkpoint = load_checkpoint(write_fused(tmp_path), max_tokens=WINDOW)
    scorer = Scorer(checkpoint, dtype="float32")
    prepared = scorer.prepare(LabelSet(("a", "b")))
    object.__setattr__(prepared, "vectors", None)
    encoded = encode_text("text", [prepared], checkpoint.tokenizers.text, WINDOW)
    checkpoint.model(encoded.passes).logits.sum().backward()
    for tower in ("encoder_model", "label_encoder", "biencoder_projector", "classes_projector", "text_projector"):
        gradient = next(checkpoint.model.get_submodule(f"model.{tower}").parameters()).grad
        assert gradient is not None
        assert bool(torch.isfinite(gradient).all())
        assert bool(gradient.abs().sum() > 0)


def test_a_fused_bi_encoder_needs_the_markers(tmp_path: Path) -> None:
    folder = write_fused(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        path = folder / name
        path.write_text(path.read_text().replace("<<LABEL>>", "<<OTHER>>"))
    with pytest.raises(CheckpointError, match="the tokenizer has no <<LABEL>>"):
        load_checkpoint(folder)


def test_it_runs_in_bfloat16(tmp_path: Path) -> None:
    scorer = Scorer.load(write_fused(tmp_path), dtype="bfloat16", deviation_limit=1.0)
    assert scorer.dtype == torch.bfloat16
    assert 0 < scorer.deviation < 0.05
