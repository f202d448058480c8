import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from gliclass import GLiClassModel
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.parity import assert_parity, label_sets, long_texts, many_labels, texts
from support.reference import Reference, write_qwen
from support.weights import logit_scale, scale_weights

from model import CheckpointError, LabelSet, Scorer
from model.architectures.decoder_kv import DecoderKv
from model.checkpoint import load_checkpoint, save_checkpoint
from model.prompt import encode_text

WINDOW = 512
SCALES = {"scorer": 2.0, "projector": 2.0}
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "normalised": {"normalize_features": True},
    "recurrent": {"recurrent_steps": 3, "recurrent_halt_threshold": None, "normalize_features": True},
    "recurrent over the text": {"recurrent_steps": 3, "recurrent_halt_threshold": None, "recurrent_read_text": True},
    "recurrence switched off": {"recurrent_steps": 3, "recurrent_inference": False},
}


def write_strong_qwen(folder: Path, **fields: Any) -> Path:
    """Heads strong enough for the logits to spread."""
    return scale_weights(write_qwen(folder, **fields), SCALES)


class Pair(NamedTuple):
    scorer: Scorer
    reference: Reference
    scale: float


@pytest.fixture(scope="module", params=sorted(VARIANTS))
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    folder = write_strong_qwen(tmp_path_factory.mktemp("qwen"), **VARIANTS[request.param])
    scorer = Scorer.load(folder, dtype="float32", max_tokens=WINDOW)
    return Pair(scorer, Reference(folder, WINDOW), logit_scale(scorer))


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(texts, st.lists(label_sets, min_size=1, max_size=3)), min_size=1, max_size=4))
def test_a_ragged_batch_equals_the_reference_run_alone(pair: Pair, batch: list[tuple[str, list[LabelSet]]]) -> None:
    assert_parity(pair.scorer, pair.reference, batch, pair.scale)


@settings(max_examples=2)
@given(long_texts, label_sets)
def test_a_text_beyond_the_window_is_cut_as_the_reference_cuts_it(pair: Pair, text: str, label_set: LabelSet) -> None:
    assert_parity(pair.scorer, pair.reference, [(text, [label_set])], pair.scale)


def test_two_hundred_labels_equal_the_reference(tmp_path: Path) -> None:
    folder = write_strong_qwen(tmp_path)
    scorer, reference = Scorer.load(folder, dtype="float32"), Reference(folder, 1024)
    assert_parity(scorer, reference, [("a text", [many_labels(200), many_labels(1)])])


def test_the_steps_of_the_recurrence_are_there_for_training(tmp_path: Path) -> None:
    checkpoint = load_checkpoint(
        write_strong_qwen(tmp_path, recurrent_steps=3, recurrent_min_steps=3, recurrent_read_text=True)
    )
    scorer = Scorer(checkpoint, dtype="float32")
    prepared = [scorer.prepare(many_labels(count)) for count in (2, 3)]
    passes = encode_text("text", prepared, checkpoint.tokenizers.text, WINDOW).passes
    architecture = checkpoint.model.train().model
    assert isinstance(architecture, DecoderKv)
    scores, groups = architecture.steps(passes)
    assert groups.label_counts == (2, 3)
    assert [tuple(logits.shape) for logits in scores.steps] == [(5,)] * 3
    torch.stack(scores.steps).pow(2).sum().backward()
    without = {name for name, weight in architecture.named_parameters() if weight.grad is None}
    assert without == set()


def test_the_reference_loads_what_is_saved(tmp_path: Path) -> None:
    folder = write_strong_qwen(tmp_path / "theirs", recurrent_steps=2, recurrent_read_text=True)
    saved = save_checkpoint(load_checkpoint(folder), tmp_path / "ours")
    theirs, back = (GLiClassModel.from_pretrained(str(path)).state_dict() for path in (folder, saved))
    assert theirs.keys() == back.keys()
    assert all(torch.equal(weight, back[name]) for name, weight in theirs.items())


def test_a_calibrated_checkpoint_equals_the_reference(tmp_path: Path) -> None:
    folder = write_strong_qwen(tmp_path, use_calibrator=True, calibrator_hidden_size=8, calibrator_use_bias=True)
    batch = [("a text", [many_labels(3), LabelSet(("x",))]), ("", [many_labels(2)])]
    assert_parity(Scorer.load(folder, dtype="float32"), Reference(folder), batch)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"encoder_config": {"model_type": "qwen3_5_text"}}, "'qwen3_5_text': a decoder-kv is run on qwen3 only"),
        ({"sep_token_index": None}, "sep_token_index is missing"),
        ({"hidden_size": 64}, r"hidden_size \(64\) equal to the decoder's \(32\)"),
    ],
)
def test_what_cannot_work_is_refused(tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    folder = write_strong_qwen(tmp_path)
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(folder)


def test_it_runs_in_bfloat16(tmp_path: Path) -> None:
    scorer = Scorer.load(
        write_strong_qwen(tmp_path, recurrent_steps=3, recurrent_read_text=True), dtype="bfloat16", deviation_limit=1.0
    )
    assert scorer.dtype == torch.bfloat16
    assert 0 < scorer.deviation < 0.05
