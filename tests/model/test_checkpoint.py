import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from gliclass import GLiClassModel
from safetensors.torch import load_file, save_file
from support.reference import Reference, tiny_bert, wordpiece_tokenizer, write_reference
from tokenizers import normalizers

from model import CheckpointError, LabelSet, Scorer
from model.checkpoint import WEIGHTS_FILE, WEIGHTS_INDEX_FILE, load_checkpoint, save_checkpoint
from model.tokenizer import PieceTokenizer

LABELS = LabelSet(("a", "b c"))


@pytest.fixture(scope="module")
def uni_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_reference(tmp_path_factory.mktemp("uni"), use_segment_embeddings=True, scorer_type="mlp")


@pytest.fixture
def folder(uni_encoder: Path, tmp_path: Path) -> Path:
    """A copy to break."""
    return Path(shutil.copytree(uni_encoder, tmp_path / "checkpoint"))


def logits(folder: Path) -> np.ndarray:
    scorer = Scorer.load(folder, dtype="float32", max_tokens=512)
    return scorer.score([scorer.encode("some text", [scorer.prepare(LABELS)])])[0][0]


@pytest.mark.parametrize(
    "fields",
    [
        {"use_segment_embeddings": True, "scorer_type": "weighted-dot", "use_lstm": True},
        {"use_calibrator": True, "calibrator_use_bias": True},
        {"architecture_type": "bi-encoder", "normalize_features": True},
    ],
)
def test_the_reference_loads_what_is_saved_and_scores_alike(tmp_path: Path, fields: dict[str, Any]) -> None:
    label_encoder = tiny_bert() if "architecture_type" in fields else None
    original = write_reference(tmp_path / "original", label_encoder=label_encoder, **fields)
    saved = save_checkpoint(load_checkpoint(original), tmp_path / "saved")
    loaded, report = cast(Any, GLiClassModel).from_pretrained(str(saved), output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    for name, weight in Reference(original).state_dict().items():
        assert torch.equal(loaded.state_dict()[name], weight), name
    np.testing.assert_array_equal(logits(saved), logits(original))
    np.testing.assert_allclose(Reference(saved).logits("some text", LABELS), logits(saved), atol=1e-5)


def test_a_bfloat16_checkpoint_is_read_as_float32(folder: Path) -> None:
    weights = {name: weight.bfloat16() for name, weight in load_file(folder / WEIGHTS_FILE).items()}
    save_file(weights, folder / WEIGHTS_FILE, metadata={"format": "pt"})
    parameters = load_checkpoint(folder).model.parameters()
    assert {parameter.dtype for parameter in parameters} == {torch.float32}


def test_sharded_weights_are_read_through_their_index(uni_encoder: Path, folder: Path) -> None:
    weights = load_file(folder / WEIGHTS_FILE)
    (folder / WEIGHTS_FILE).unlink()
    names = sorted(weights)
    shards = {"one.safetensors": names[:5], "two.safetensors": names[5:]}
    for shard, held in shards.items():
        save_file({name: weights[name] for name in held}, folder / shard)
    index = {"weight_map": {name: shard for shard, held in shards.items() for name in held}}
    (folder / WEIGHTS_INDEX_FILE).write_text(json.dumps(index))
    np.testing.assert_array_equal(logits(folder), logits(uni_encoder))
    (folder / "two.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"two\.safetensors: no such file; the weights index names it"):
        load_checkpoint(folder)
    (folder / WEIGHTS_INDEX_FILE).write_text("{}")
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_checkpoint(folder)


def change(folder: Path, edit: Callable[[dict[str, torch.Tensor]], object]) -> None:
    weights = load_file(folder / WEIGHTS_FILE)
    edit(weights)
    save_file(weights, folder / WEIGHTS_FILE)


def test_a_missing_weight_is_named(folder: Path) -> None:
    change(folder, lambda weights: weights.pop("model.scorer.mlp.0.weight"))
    with pytest.raises(CheckpointError, match=r"1 missing \(model\.scorer\.mlp\.0\.weight\)"):
        load_checkpoint(folder)


def test_an_unexpected_weight_is_named(folder: Path) -> None:
    change(folder, lambda weights: weights.update({"model.lm_head.weight": torch.zeros(2)}))
    with pytest.raises(CheckpointError, match=r"1 unexpected \(model\.lm_head\.weight\)"):
        load_checkpoint(folder)


def test_a_stored_position_buffer_is_ignored(folder: Path) -> None:
    change(folder, lambda weights: weights.update({"model.encoder_model.embeddings.position_ids": torch.arange(9)}))
    load_checkpoint(folder)


def test_a_weight_of_another_shape_is_named_with_both(folder: Path) -> None:
    change(folder, lambda weights: weights.update({"model.text_projector.linear_1.bias": torch.zeros(7)}))
    with pytest.raises(CheckpointError, match=r"linear_1\.bias has shape \[7\], config\.json asks for \[32\]"):
        load_checkpoint(folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(folder: Path, value: float) -> None:
    change(folder, lambda weights: weights["model.text_projector.linear_1.weight"][3].fill_(value))
    with pytest.raises(CheckpointError, match=r"linear_1\.weight holds NaN or infinite"):
        load_checkpoint(folder)


@pytest.mark.parametrize("kept_bytes", [0, 4, 1000, -1])
def test_a_truncated_weights_file_is_refused(folder: Path, kept_bytes: int) -> None:
    path = folder / WEIGHTS_FILE
    path.write_bytes(path.read_bytes()[:kept_bytes])
    with pytest.raises(CheckpointError, match=r"model\.safetensors: truncated or not safetensors"):
        load_checkpoint(folder)


def test_pickled_weights_are_refused(folder: Path) -> None:
    (folder / WEIGHTS_FILE).rename(folder / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="may run code when it is read: convert it to safetensors"):
        load_checkpoint(folder)


def test_a_folder_without_weights_is_refused(folder: Path) -> None:
    (folder / WEIGHTS_FILE).unlink()
    with pytest.raises(CheckpointError, match=r"model\.safetensors: no such file; fetch the weights$"):
        load_checkpoint(folder)


def edit_config(folder: Path, **fields: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"architecture_type": "tri-encoder"}, r"config\.json: architecture_type 'tri-encoder' is unknown; supported"),
        ({"pooling_strategy": "middle"}, r"pooling_strategy 'middle' is unknown"),
        ({"scorer_type": "magic"}, r"scorer_type 'magic' is unknown"),
        ({"class_token_index": 3}, r"<<LABEL>> is token \d+ and class_token_index is 3"),
        ({"text_token_index": 3}, r"<<SEP>> is token \d+ and text_token_index is 3"),
    ],
)
def test_a_configuration_that_cannot_be_run_is_refused(folder: Path, fields: dict[str, Any], message: str) -> None:
    edit_config(folder, **fields)
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(folder)


def test_sizes_that_do_not_fit_each_other_are_refused(folder: Path) -> None:
    encoder = json.loads((folder / "config.json").read_text())["encoder_config"]
    edit_config(folder, encoder_config=encoder | {"num_attention_heads": 7})
    with pytest.raises(CheckpointError, match=r"config\.json: .*7"):
        load_checkpoint(folder)


def test_a_tokenizer_without_the_markers_is_refused(folder: Path) -> None:
    path = folder / "tokenizer.json"
    path.write_text(path.read_text().replace("<<LABEL>>", "<<OTHER>>"))
    with pytest.raises(CheckpointError, match=r"no <<LABEL>>; add it as a special token with the id class_token_index"):
        load_checkpoint(folder)


def test_a_tokenizer_larger_than_the_embedding_table_is_refused(folder: Path) -> None:
    tokenizer = wordpiece_tokenizer()
    tokenizer.add_tokens(["extra"])
    tokenizer.save_pretrained(folder)
    with pytest.raises(CheckpointError, match="the embedding table has vocab_size"):
        load_checkpoint(folder)


def test_a_label_tokenizer_is_found_in_the_folder_or_by_its_name(tmp_path: Path) -> None:
    folder = write_reference(tmp_path / "bi", label_encoder=tiny_bert(), architecture_type="bi-encoder")
    expected = logits(folder)
    edit_config(folder, label_model_name="nowhere/at-all")
    own = folder / "label_tokenizer"
    own.mkdir()
    wordpiece_tokenizer().save_pretrained(own)
    np.testing.assert_array_equal(logits(folder), expected)
    saved = save_checkpoint(load_checkpoint(folder), tmp_path / "saved")
    np.testing.assert_allclose(Reference(saved).logits("some text", LABELS), expected, atol=1e-5)


def test_a_label_tokenizer_that_is_nowhere_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_reference(tmp_path / "bi", label_encoder=tiny_bert(), architecture_type="bi-encoder")
    edit_config(folder, label_model_name="/nowhere/at/all")
    with pytest.raises(CheckpointError, match="leads to no tokenizer; put the label tower's tokenizer into"):
        load_checkpoint(folder)


def test_a_revision_that_cannot_pin_the_label_tower_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_reference(tmp_path / "bi", label_encoder=tiny_bert(), architecture_type="bi-encoder")
    edit_config(folder, label_model_name="someone/label-tower")
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: str(folder))
    with pytest.raises(CheckpointError, match="label_model_name 'someone/label-tower' is another repository") as caught:
        load_checkpoint("someone/checkpoint", revision="abc123")
    assert "--revision abc123" in str(caught.value)
    assert "FOLDER/label_tokenizer" in str(caught.value)
    wordpiece_tokenizer().save_pretrained(folder / "label_tokenizer")
    assert load_checkpoint("someone/checkpoint", revision="abc123").folder == folder


def test_a_label_tower_that_is_not_pinned_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_reference(tmp_path / "bi", label_encoder=tiny_bert(), architecture_type="bi-encoder")
    edit_config(folder, label_model_name="someone/label-tower")
    on_the_hub = wordpiece_tokenizer()
    on_the_hub.save_pretrained(tmp_path / "hub")
    read = PieceTokenizer.read
    hub = {Path("someone/label-tower"): tmp_path / "hub"}
    monkeypatch.setattr(PieceTokenizer, "read", lambda path: read(hub.get(path) or path))
    before = load_checkpoint(folder).digest
    assert "someone/label-tower as it is on the hub today" in caplog.text
    # A push to the label tower's repository is another digest in every result.
    on_the_hub.backend_tokenizer.normalizer = normalizers.Lowercase()  # pyright: ignore[reportAttributeAccessIssue]
    on_the_hub.save_pretrained(tmp_path / "hub")
    assert load_checkpoint(folder).digest != before


def test_a_home_folder_is_expanded(uni_encoder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(uni_encoder.parent))
    assert load_checkpoint(f"~/{uni_encoder.name}").folder == uni_encoder
    with pytest.raises(CheckpointError, match="write the whole path"):
        load_checkpoint("~nobody-of-this-name/checkpoint")


@pytest.mark.parametrize("path", ["/nowhere/at/all", "./nowhere"])
def test_a_path_that_is_no_folder_is_refused_without_asking_the_hub(path: str) -> None:
    with pytest.raises(CheckpointError, match="not a folder"):
        load_checkpoint(path)


def test_the_window_is_limited_by_the_position_table(folder: Path) -> None:
    assert load_checkpoint(folder).tokenizers.max_tokens == 600
    assert load_checkpoint(folder, max_tokens=100).tokenizers.max_tokens == 100


def test_the_digest_follows_the_content_and_not_the_place(uni_encoder: Path, folder: Path) -> None:
    digest = load_checkpoint(uni_encoder).digest
    assert len(digest) == 16
    edit_config(folder, encoder_model_name="elsewhere", transformers_version="0.0.0")
    assert load_checkpoint(folder).digest == digest
    edit_config(folder, embed_class_token=False)
    other_config = load_checkpoint(folder).digest
    change(folder, lambda weights: weights["model.text_projector.linear_1.bias"].add_(1))
    assert len({digest, other_config, load_checkpoint(folder).digest}) == 3
