"""The packed forward pass as a training pass: gradients against the padded reference's."""

from pathlib import Path

import pytest
import torch
from support.reference import Reference, tiny_bert, write_reference
from torch.nn import functional as F

from model.checkpoint import load_checkpoint
from model.training.batches import bind, prepare_label_sets, score_examples
from model.training.data import TrainingExample

LABELS = ("billing", "a bug in the app", "praise")
EXAMPLES = [
    TrainingExample("the invoice is wrong", LABELS, (1.0, 0.0, 0.0)),
    TrainingExample("it crashes", LABELS, (0.0, 1.0, 0.0)),
    TrainingExample("thank you very much, the app is lovely and the price is fair", LABELS, (1.0, 0.0, 1.0)),
]


@pytest.mark.parametrize("architecture", ["uni-encoder", "bi-encoder"])
def test_gradients_equal_the_padded_references(tmp_path: Path, architecture: str) -> None:
    bert = tiny_bert(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    folder = write_reference(
        tmp_path / "checkpoint",
        bert,
        label_encoder=bert if architecture == "bi-encoder" else None,
        spread=2.0,
        architecture_type=architecture,
    )
    checkpoint = load_checkpoint(folder)
    batch = bind(checkpoint.model, checkpoint.tokenizers, EXAMPLES)
    F.binary_cross_entropy_with_logits(checkpoint.model(batch.passes).logits, batch.targets).backward()

    reference = Reference(folder)
    inputs = reference.pipeline.prepare_inputs([e.text for e in EXAMPLES], list(LABELS), same_labels=True)
    logits = reference.model(**inputs, max_num_classes=len(LABELS)).logits[:, : len(LABELS)]
    targets = torch.tensor([e.targets for e in EXAMPLES])
    F.binary_cross_entropy_with_logits(logits, targets).backward()

    expected = {name: value.grad for name, value in reference.model.named_parameters() if value.grad is not None}
    largest = max(float(gradient.abs().max()) for gradient in expected.values())
    compared = 0
    for name, value in checkpoint.model.named_parameters():
        if value.grad is None:
            assert name not in expected or not expected[name].any()
            continue
        torch.testing.assert_close(value.grad, expected[name], rtol=1e-4, atol=1e-6 * largest)
        compared += bool(value.grad.any())
    assert compared > 30


def test_passes_go_shortest_first_and_targets_follow(tmp_path: Path) -> None:
    checkpoint = load_checkpoint(write_reference(tmp_path / "checkpoint"))
    batch = bind(checkpoint.model, checkpoint.tokenizers, EXAMPLES)
    assert batch.order == (1, 0, 2)
    assert batch.counts == (3, 3, 3)
    assert batch.targets.tolist() == [0, 1, 0, 1, 0, 0, 1, 0, 1]


def test_scores_come_back_in_the_order_of_the_examples(tmp_path: Path) -> None:
    checkpoint = load_checkpoint(write_reference(tmp_path / "checkpoint"))
    together = score_examples(checkpoint.model, checkpoint.tokenizers, EXAMPLES, batch_size=2)
    alone = [score_examples(checkpoint.model, checkpoint.tokenizers, [example])[0] for example in EXAMPLES]
    for first, second in zip(together, alone, strict=True):
        torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-5)


def test_label_sets_of_a_frozen_model_give_the_logits_of_fresh_ones(tmp_path: Path) -> None:
    folder = write_reference(tmp_path / "checkpoint", label_encoder=tiny_bert(), architecture_type="bi-encoder")
    checkpoint = load_checkpoint(folder)
    other = TrainingExample("a late parcel", ("praise", "delivery"), (0.0, 1.0))
    examples = [*EXAMPLES, other]
    frozen = prepare_label_sets(checkpoint.model, checkpoint.tokenizers, examples, frozen=True)
    assert all(item.vectors is not None for item in frozen.values())
    with torch.no_grad():
        fresh = checkpoint.model(bind(checkpoint.model, checkpoint.tokenizers, examples).passes).logits
        reused = checkpoint.model(bind(checkpoint.model, checkpoint.tokenizers, examples, frozen).passes).logits
    torch.testing.assert_close(reused, fresh, rtol=0, atol=1e-6)
