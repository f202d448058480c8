"""One epoch of updates with two trainers: the `gliclass` package's padded batches, and this package's packed ones.

Both tokenise, run forward and backward, clip and step AdamW over every weight, on the same texts, labels and batches.
"""

import contextlib
import io
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from benchmarks.engines.workload import Workload
from model.checkpoint import load_checkpoint
from model.training.batches import bind
from model.training.data import TrainingExample
from model.training.losses import multi_label_loss
from model.training.supervised import build_optimizer

Engine = Callable[[], float]
LEARNING_RATE = 1e-5
CLIP_NORM = 1.0


def batches_of(workload: Workload, size: int, *, by_length: bool = False) -> list[list[TrainingExample]]:
    """Examples in order of arrival, or by length, whose first label is true."""
    order = list(range(len(workload.texts)))
    if by_length:
        order.sort(key=lambda index: len(workload.texts[index]))
    examples = []
    for index in order:
        labels = workload.label_sets[index].labels
        targets = (1.0, *(0.0 for _ in labels[1:]))
        examples.append(TrainingExample(workload.texts[index], labels, targets))
    return [examples[at : at + size] for at in range(0, len(examples), size)]


def packed_engine(folder: Path, batches: Sequence[Sequence[TrainingExample]], *, dtype: torch.dtype) -> Engine:
    """This package; returns the mean loss of an epoch."""
    checkpoint = load_checkpoint(folder)
    model = checkpoint.model.train()
    optimizer = build_optimizer(model, encoder_rate=LEARNING_RATE, head_rate=LEARNING_RATE, weight_decay=0.01)

    def run() -> float:
        total = 0.0
        for examples in batches:
            bound = bind(model, checkpoint.tokenizers, examples)
            with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
                logits = model(bound.passes).logits
            total += _update(model, optimizer, multi_label_loss(logits.float(), bound.targets))
        return total / len(batches)

    return run


def padded_engine(folder: Path, batches: Sequence[Sequence[TrainingExample]], *, dtype: torch.dtype) -> Engine:
    """`gliclass`: its dataset, its collator, its model and its loss; returns the mean loss of an epoch."""
    logging.getLogger("transformers").setLevel(logging.ERROR)
    with contextlib.redirect_stderr(io.StringIO()):
        import gliclass
        from gliclass.data_processing import AugmentationConfig, DataCollatorWithPadding, GLiClassDataset
        from transformers import AutoTokenizer

        model = gliclass.GLiClassModel.from_pretrained(str(folder), dtype=torch.float32).train()
        tokenizer = AutoTokenizer.from_pretrained(str(folder))
    model.config.problem_type = "multi_label_classification"
    model.config.focal_loss_alpha = model.config.focal_loss_gamma = -1.0  # its trainer's defaults: plain cross-entropy
    with contextlib.redirect_stdout(io.StringIO()):
        rows = GLiClassDataset(
            [
                {"text": one.text, "all_labels": list(one.labels), "true_labels": list(one.true_labels)}
                for batch in batches
                for one in batch
            ],
            tokenizer,
            AugmentationConfig(enabled=False),
            max_length=1024,
            architecture_type=model.config.architecture_type,
            prompt_first=model.config.prompt_first,
            labels_tokenizer=tokenizer,
            shuffle_labels=False,
        )
    collate = DataCollatorWithPadding(device="cpu", config=model.config)
    optimizer = build_optimizer(model, encoder_rate=LEARNING_RATE, head_rate=LEARNING_RATE, weight_decay=0.01)

    def run() -> float:
        total, at = 0.0, 0
        for batch in batches:
            inputs = collate([rows[index] for index in range(at, at + len(batch))])
            at += len(batch)
            inputs = {name: value for name, value in inputs.items() if name not in ("labels_text", "input_texts")}
            with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
                loss = model(**inputs).loss
            total += _update(model, optimizer, loss)
        return total / len(batches)

    return run


def _update(model: torch.nn.Module, optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> float:
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
    optimizer.step()
    return loss.item()
