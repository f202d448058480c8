"""The model on a CUDA device against itself on the CPU: `make test-cuda`, which fails where there is no such device."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.reference import byte_level_tokenizer, tiny_bert, unigram_tokenizer, write_qwen, write_reference
from transformers import DebertaV2Config, ModernBertConfig, T5Config

from model.checkpoint import load_checkpoint
from model.flash_attention import takes_flash
from model.packing import QueryRows, packed_attention
from model.scorer import Scorer
from model.training.data import TrainingExample
from model.training.feedback import Feedback
from model.training.reinforcement import train_from_feedback
from model.training.settings import FeedbackSettings, TrainingSettings
from model.training.supervised import train
from model.verification.golden import score_cases

pytestmark = pytest.mark.cuda


@pytest.fixture(autouse=True)
def _device() -> None:
    if not torch.cuda.is_available():
        pytest.fail("torch sees no CUDA device; make test-cuda needs one")


BOUNDS = (0, 1, 38, 39, 90, 218, 224)
SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 600,
}
LABELS = ("fruit", "metal", "river")
TEXTS = ("an apple and a pear", "iron, tin", "the Danube flows", "zinc", "a plum", "down the Nile to the sea")


def write_checkpoint(name: str, folder: Path) -> Path:
    """A random checkpoint of a family, as the reference package writes it."""
    if name == "bi-encoder":
        return write_reference(folder, label_encoder=tiny_bert(), architecture_type="bi-encoder")
    if name == "bi-encoder-fused":
        return write_reference(folder, label_encoder=tiny_bert(), architecture_type="bi-encoder-fused")
    if name == "uni-encoder, BERT":
        return write_reference(folder, scorer_type="mlp", pooling_strategy="avg")
    if name == "uni-encoder, ModernBERT":
        tokenizer = byte_level_tokenizer()
        special: dict[str, Any] = {
            "pad_token_id": 0,
            "bos_token_id": 2,
            "cls_token_id": 2,
            "eos_token_id": 3,
            "sep_token_id": 3,
        }
        sizes: dict[str, Any] = {**SIZES, "num_hidden_layers": 4, "local_attention": 16}
        encoder = ModernBertConfig(vocab_size=len(tokenizer), **sizes, **special)
        return write_reference(folder, encoder, tokenizer=tokenizer, spread=2.0)
    if name == "uni-encoder, DeBERTa":
        tokenizer = unigram_tokenizer()
        relative: dict[str, Any] = {
            "relative_attention": True,
            "pos_att_type": ["p2c", "c2p"],
            "position_biased_input": False,
        }
        encoder = DebertaV2Config(vocab_size=len(tokenizer), **SIZES, **relative)
        return write_reference(folder, encoder, tokenizer=tokenizer)
    if name == "encoder-decoder, T5":
        tokenizer = unigram_tokenizer()
        encoder = T5Config(
            vocab_size=len(tokenizer), pad_token_id=0, d_model=32, d_kv=16, d_ff=64, num_layers=2, num_heads=2
        )
        return write_reference(
            folder, encoder, tokenizer=tokenizer, spread=1.5, architecture_type="encoder-decoder", scorer_type="simple"
        )
    return write_qwen(folder)


FAMILIES = (
    "uni-encoder, BERT",
    "uni-encoder, ModernBERT",
    "uni-encoder, DeBERTa",
    "bi-encoder",
    "bi-encoder-fused",
    "encoder-decoder, T5",
    "decoder-kv, Qwen3",
)


@pytest.mark.parametrize("family", FAMILIES)
def test_scores_equal_those_of_the_cpu(family: str, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(write_checkpoint(family, tmp_path / "model"), max_tokens=512)
    expected, _ = score_cases(Scorer(checkpoint, device="cpu", dtype="float32"))
    scorer = Scorer(checkpoint, device="cuda", dtype="float32")
    actual, _ = score_cases(scorer)
    assert scorer.device.type == "cuda"
    assert expected.keys() == actual.keys()
    for case, logits in expected.items():
        tolerance = 1e-4 * max(1.0, float(np.abs(logits).max()))
        np.testing.assert_allclose(actual[case], logits, rtol=0, atol=tolerance, err_msg=case)


@pytest.mark.parametrize("window", [None, 5, 64])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("asked", [None, (0, 38, 39, 89, 217)])
def test_attention_in_one_kernel_equals_attention_by_sequence(
    window: int | None, causal: bool, asked: tuple[int, ...] | None
) -> None:
    generator = torch.Generator().manual_seed(0)
    query, key, value = (
        torch.randn(BOUNDS[-1], 4, 32, generator=generator).to("cuda", torch.bfloat16).requires_grad_(True)
        for _ in range(3)
    )
    rows = None if asked is None else QueryRows.of(torch.tensor(asked, device="cuda"), BOUNDS)
    ours, exact = [], []
    for dtype, results in ((torch.bfloat16, ours), (torch.float32, exact)):
        parts = [part.detach().to(dtype).requires_grad_(True) for part in (query, key, value)]
        chosen = parts[0] if rows is None else parts[0][rows.indices]
        assert takes_flash(chosen, dropout=0.0) == (dtype == torch.bfloat16)
        attended = packed_attention(chosen, parts[1], parts[2], BOUNDS, rows=rows, causal=causal, window=window)
        attended.float().square().sum().backward()
        results += [attended.detach(), *(part.grad for part in parts)]
    for one, other in zip(ours, exact, strict=True):
        torch.testing.assert_close(one.float(), other, rtol=0.03, atol=0.03 * float(other.abs().max()))


def test_training_on_the_device_takes_the_path_of_training_on_the_cpu(tmp_path: Path) -> None:
    folder = write_reference(
        tmp_path / "base",
        tiny_bert(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0),
        label_encoder=tiny_bert(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0),
        architecture_type="bi-encoder",
        dropout=0.0,
    )
    examples = [
        TrainingExample(text, LABELS, tuple(float(index % 3 == column) for column in range(3)))
        for index, text in enumerate(TEXTS)
    ]
    settings = TrainingSettings(
        epochs=6,
        batch_size=3,
        encoder_learning_rate=1e-3,
        head_learning_rate=3e-5,
        evaluate_every=4,
        dtype="float32",
    )
    losses = {}
    for device in ("cpu", "cuda"):
        checkpoint = load_checkpoint(folder)
        checkpoint.model.to(device)
        result = train(checkpoint, examples, tmp_path / device, settings, development=examples)
        losses[device] = [loss for _, loss in result.history.losses]
        load_checkpoint(result.folder)
    np.testing.assert_allclose(losses["cuda"], losses["cpu"], rtol=0.02, atol=1e-3)


def test_a_run_on_the_device_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    folder = write_reference(tmp_path / "base", label_encoder=tiny_bert(), architecture_type="bi-encoder")
    examples = [
        TrainingExample(text, LABELS, tuple(float(index % 3 == column) for column in range(3)))
        for index, text in enumerate(TEXTS)
    ]
    settings = TrainingSettings(
        epochs=4, batch_size=3, encoder_learning_rate=1e-3, head_learning_rate=3e-5, evaluate_every=2
    )

    def stop(line: str) -> None:
        if line.startswith("update 5/"):
            raise KeyboardInterrupt

    stopped = load_checkpoint(folder)
    stopped.model.to("cuda")
    with pytest.raises(KeyboardInterrupt):
        train(stopped, examples, tmp_path / "run", settings, report=stop)
    resumed = load_checkpoint(folder)
    resumed.model.to("cuda")
    result = train(resumed, examples, tmp_path / "run", settings)
    assert [update for update, _ in result.history.losses] == list(range(1, 9))


def test_feedback_raises_the_reward_on_the_device(tmp_path: Path) -> None:
    # Weights as the reference draws them: a model that is sure of everything tries nothing else.
    folder = write_reference(tmp_path / "base", label_encoder=tiny_bert(), architecture_type="bi-encoder", spread=1.0)
    checkpoint = load_checkpoint(folder)
    checkpoint.model.to("cuda")
    before = copy.deepcopy(checkpoint.model.state_dict())
    feedback = [Feedback(text, LABELS, corrected=(LABELS[0],)) for text in TEXTS]
    settings = FeedbackSettings(epochs=10, batch_size=6, encoder_learning_rate=3e-3, head_learning_rate=3e-3)
    result = train_from_feedback(checkpoint, feedback, tmp_path / "run", settings)
    rewards = [reward for _, reward in result.history.figures]
    assert rewards[-1] > rewards[0]
    assert any(not torch.equal(before[name], value) for name, value in checkpoint.model.state_dict().items())
