import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from gliclass import GLiClassModel
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.parity import assert_parity, label_sets, long_texts, many_labels, texts
from support.reference import Reference, unigram_tokenizer, write_reference
from support.weights import logit_scale, scale_weights
from transformers import MT5Config, T5Config, UMT5Config

from model import CheckpointError, Example, LabelSet, LabelSetError, Scorer
from model.checkpoint import load_checkpoint, save_checkpoint
from model.prompt import encode_text

WINDOW = 256
SIZES: dict[str, Any] = {
    "d_model": 32,
    "d_kv": 16,
    "d_ff": 64,
    "num_layers": 2,
    "num_decoder_layers": 2,
    "num_heads": 2,
}
# Strong heads on a mild T5: stronger attention saturates and turns float32 rounding into 1e-4 of the reference itself.
SPREAD = 1.5
SCALES = {"scorer": 6.0, "projector": 6.0}
VARIANTS: dict[str, dict[str, Any]] = {
    "labels decoded": {"architecture_type": "encoder-decoder", "normalize_features": True},
    "labels decoded, averaged": {
        "architecture_type": "encoder-decoder",
        "class_token_pooling": "average",
        "extract_text_features": True,
        "pooling_strategy": "avg",
        "scorer_type": "hopfield",
        "use_lstm": True,
    },
    "labels decoded, cross attention": {
        "architecture_type": "encoder-decoder",
        "pooling_strategy": "pass",
        "scorer_type": "cross-attn",
        "scorer_num_heads": 4,
        "scorer_mlp_hidden_size": 32,
    },
    "text decoded": {"architecture_type": "encoder-decoder-cls", "normalize_features": True},
    "text decoded, averaged": {
        "architecture_type": "encoder-decoder-cls",
        "class_token_pooling": "average",
        "pooling_strategy": "pass",
        "scorer_type": "mlp",
        "use_lstm": True,
    },
}


def write_t5(folder: Path, config_class: type[T5Config | MT5Config | UMT5Config] = T5Config, **fields: Any) -> Path:
    tokenizer = unigram_tokenizer()
    encoder = config_class(vocab_size=len(tokenizer), pad_token_id=0, **SIZES)
    written = write_reference(folder, encoder, tokenizer=tokenizer, spread=SPREAD, **fields)
    return scale_weights(written, SCALES)


def tied(model: Any) -> Any:
    """The reference with the decoder's embeddings that its checkpoint means.

    Under transformers 5 it ties the encoder's to `shared` and leaves the decoder's, which no file holds, random.
    """
    t5 = model.model.encoder_decoder_model
    t5.decoder.embed_tokens.weight = t5.shared.weight
    return model


def reference_of(folder: Path, max_tokens: int = WINDOW) -> Reference:
    reference = Reference(folder, max_tokens)
    tied(reference.model)
    return reference


class Pair(NamedTuple):
    scorer: Scorer
    reference: Reference
    scale: float


@pytest.fixture(scope="module", params=sorted(VARIANTS))
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    folder = write_t5(tmp_path_factory.mktemp("t5"), **VARIANTS[request.param])
    scorer = Scorer.load(folder, dtype="float32", max_tokens=WINDOW)
    return Pair(scorer, reference_of(folder), logit_scale(scorer))


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(texts, st.lists(label_sets, min_size=1, max_size=3)), min_size=1, max_size=4))
def test_a_ragged_batch_equals_the_reference_run_alone(pair: Pair, batch: list[tuple[str, list[LabelSet]]]) -> None:
    assert_parity(pair.scorer, pair.reference, batch, pair.scale)


@settings(max_examples=2)
@given(long_texts)
def test_a_text_beyond_the_window_is_cut_as_the_reference_cuts_it(pair: Pair, text: str) -> None:
    label_set = LabelSet(("a", "b c"), prompt="topic:", examples=(Example("an example", ("a",)),))
    assert_parity(pair.scorer, pair.reference, [(text, [label_set])], pair.scale)


@pytest.mark.parametrize("config_class", [MT5Config, UMT5Config])
@pytest.mark.parametrize("architecture", ["encoder-decoder", "encoder-decoder-cls"])
def test_the_whole_t5_family_equals_the_reference(
    tmp_path: Path, config_class: type[MT5Config | UMT5Config], architecture: str
) -> None:
    folder = write_t5(tmp_path, config_class, architecture_type=architecture)
    batch = [("a text", [many_labels(3), LabelSet(("x",), prompt="topic ")]), ("", [many_labels(2)])]
    assert_parity(Scorer.load(folder, dtype="float32"), reference_of(folder), batch)


@pytest.mark.parametrize("architecture", ["encoder-decoder", "encoder-decoder-cls"])
def test_two_hundred_labels_equal_a_reference_that_allocates_as_many(tmp_path: Path, architecture: str) -> None:
    folder = write_t5(tmp_path, architecture_type=architecture, max_num_classes=200)
    scorer, reference = Scorer.load(folder, dtype="float32"), reference_of(folder, 1024)
    assert_parity(scorer, reference, [("a text", [many_labels(200), many_labels(2)])])


@pytest.mark.parametrize("architecture", ["encoder-decoder", "encoder-decoder-cls"])
def test_more_labels_than_the_reference_allocates_are_scored(tmp_path: Path, architecture: str) -> None:
    scorer = Scorer.load(write_t5(tmp_path, architecture_type=architecture), dtype="float32")
    [[logits]] = scorer.score([scorer.encode("a text", [scorer.prepare(many_labels(60))])])
    assert logits.shape == (60,)


def test_label_sets_with_equal_examples_share_the_pass_through_the_encoder(tmp_path: Path) -> None:
    scorer = Scorer.load(write_t5(tmp_path, architecture_type="encoder-decoder"), dtype="float32")
    plain = [scorer.prepare(LabelSet((name, "other"), prompt=name)) for name in "abc"]
    shown = scorer.prepare(LabelSet(("a",), examples=(Example("b", ("a",)),)))
    assert len(scorer.encode("text", plain).passes) == 1
    assert len(scorer.encode("text", [*plain, shown]).passes) == 2


def test_the_label_side_of_a_cls_model_is_computed_once(tmp_path: Path) -> None:
    scorer = Scorer.load(write_t5(tmp_path, architecture_type="encoder-decoder-cls"), dtype="float32")
    prepared = scorer.prepare(LabelSet(("a", "b")))
    assert prepared.vectors is not None
    assert len(prepared.vectors) == len(prepared.prompt.labels[0])
    assert scorer.prepare(LabelSet(("a", "b"))) is prepared


@pytest.mark.parametrize("architecture", ["encoder-decoder", "encoder-decoder-cls"])
def test_every_part_learns(tmp_path: Path, architecture: str) -> None:
    checkpoint = load_checkpoint(write_t5(tmp_path, architecture_type=architecture))
    scorer = Scorer(checkpoint, dtype="float32")
    prepared = scorer.prepare(LabelSet(("a", "b")))
    object.__setattr__(prepared, "vectors", None)
    encoded = encode_text("text", [prepared], checkpoint.tokenizers.text, WINDOW)
    checkpoint.model(encoded.passes).logits.pow(2).sum().backward()
    for part in ("shared", "encoder.block.1", "decoder.block.1"):
        gradient = next(checkpoint.model.get_submodule(f"model.encoder_decoder_model.{part}").parameters()).grad
        assert gradient is not None
        assert bool(gradient.abs().sum() > 0)


@pytest.mark.parametrize("architecture", ["encoder-decoder", "encoder-decoder-cls"])
def test_the_reference_loads_what_is_saved(tmp_path: Path, architecture: str) -> None:
    folder = write_t5(tmp_path / "theirs", architecture_type=architecture)
    saved = save_checkpoint(load_checkpoint(folder), tmp_path / "ours")
    theirs, back = (tied(GLiClassModel.from_pretrained(str(path))).state_dict() for path in (folder, saved))
    assert theirs.keys() == back.keys()
    assert all(torch.equal(weight, back[name]) for name, weight in theirs.items())
    assert load_checkpoint(saved).model.state_dict().keys() == load_checkpoint(folder).model.state_dict().keys()


def test_labels_beyond_the_window_are_refused(tmp_path: Path) -> None:
    scorer = Scorer.load(write_t5(tmp_path, architecture_type="encoder-decoder"), dtype="float32", max_tokens=64)
    with pytest.raises(LabelSetError, match=r"labels, descriptions and prompt take \d+ tokens and the model reads 64"):
        scorer.prepare(many_labels(60))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"encoder_config": {"model_type": "bert"}}, "'bert' cannot be run as encoder-decoder; supported: mt5, t5"),
        (
            {"architecture_type": "encoder-decoder-cls", "scorer_type": "cross-attn", "pooling_strategy": "pass"},
            "encoder-decoder-cls gives one vector",
        ),
    ],
)
def test_what_cannot_work_is_refused(tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    folder = write_t5(tmp_path, architecture_type="encoder-decoder")
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(folder)


@pytest.mark.parametrize("architecture", ["encoder-decoder", "encoder-decoder-cls"])
def test_it_runs_in_bfloat16(tmp_path: Path, architecture: str) -> None:
    # Logits without normalisation are so large in a random T5 that the reference in bfloat16 is as far off.
    folder = write_t5(tmp_path, architecture_type=architecture, normalize_features=True)
    scorer = Scorer.load(folder, dtype="bfloat16", deviation_limit=1.0)
    assert scorer.dtype == torch.bfloat16
    assert 0 < scorer.deviation < 0.15
