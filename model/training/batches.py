"""Training examples bound to a model: sequences to run, and flat targets in the order the logits come out."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from model.architectures import Tokenizers
from model.gliclass import GliclassModel
from model.label_set import validate
from model.precision import choose_dtype
from model.prompt import PreparedLabelSet, TextPass, encode_text
from model.training.data import TrainingExample


@dataclass(frozen=True, slots=True)
class BoundBatch:
    """A batch ready for `GliclassModel`.

    Attributes:
        passes: one per example, shortest first, so that attention runs equal lengths in one call.
        order: which example each pass is.
        counts: labels of each pass.
        targets: float32 [labels], pass after pass.
    """

    passes: tuple[TextPass, ...]
    order: tuple[int, ...]
    counts: tuple[int, ...]
    targets: Tensor


LabelSets = dict[str, PreparedLabelSet]
"""By key of the label set."""


def prepare_label_sets(
    model: GliclassModel, tokenizers: Tokenizers, examples: Sequence[TrainingExample], *, frozen: bool
) -> LabelSets:
    """Tokenise the label sets of examples, each once.

    frozen: whether the model stays as it is while they are used; then a label tower encodes every label once, here.

    Raises:
        LabelSetError: a label set is malformed or leaves no room for the text.
    """
    prepared: LabelSets = {}
    for example in examples:
        label_set = example.label_set
        key = label_set.key
        if key not in prepared:
            validate(label_set)
            prompt = model.architecture.prompt(label_set, tokenizers)
            prepared[key] = PreparedLabelSet(
                label_set, key, prompt, vectors=None, token_count=len(prompt.before) + len(prompt.after)
            )
    if frozen and prepared:
        with torch.inference_mode():
            vectors = model.architecture.label_vectors([item.prompt for item in prepared.values()])
        if vectors is not None:
            return {
                key: replace(item, vectors=of_set)
                for (key, item), of_set in zip(prepared.items(), vectors, strict=True)
            }
    return prepared


def bind(
    model: GliclassModel,
    tokenizers: Tokenizers,
    examples: Sequence[TrainingExample],
    label_sets: LabelSets | None = None,
) -> BoundBatch:
    """Tokenise examples for a model. `label_sets`: prepared ones of all examples; None prepares them for training.

    Raises:
        LabelSetError: a label set is malformed or leaves no room for the text.
    """
    if label_sets is None:
        label_sets = prepare_label_sets(model, tokenizers, examples, frozen=False)
    passes = []
    for example in examples:
        prepared = label_sets[example.label_set.key]
        passes += encode_text(example.text, [prepared], tokenizers.text, tokenizers.max_tokens).passes
    order = sorted(range(len(passes)), key=lambda index: len(passes[index].token_ids))
    return BoundBatch(
        passes=tuple(passes[index] for index in order),
        order=tuple(order),
        counts=tuple(len(examples[index].labels) for index in order),
        targets=torch.tensor([target for index in order for target in examples[index].targets]),
    )


def mixed_precision(dtype: str, device: torch.device) -> AbstractContextManager[object]:
    """Multiply in bfloat16 where `dtype` ("auto", "float32" or "bfloat16") asks for it; weights stay as they are."""
    half = choose_dtype(dtype, device) == torch.bfloat16
    return torch.autocast(device.type, torch.bfloat16) if half else nullcontext()


def score_examples(
    model: GliclassModel, tokenizers: Tokenizers, examples: Sequence[TrainingExample], *, batch_size: int = 32
) -> list[Tensor]:
    """Logits of each example's labels, float32 [labels] on the CPU, in the order of `examples`; no gradient."""
    results: list[Tensor | None] = [None] * len(examples)
    was_training = model.training
    model.eval()
    try:
        label_sets: LabelSets = {}
        with torch.inference_mode():
            for start in range(0, len(examples), batch_size):
                chosen = examples[start : start + batch_size]
                if any(example.label_set.key not in label_sets for example in chosen):
                    # Replaced, not added to: rows that each bring their own labels must not fill the memory.
                    label_sets = prepare_label_sets(model, tokenizers, chosen, frozen=True)
                batch = bind(model, tokenizers, chosen, label_sets)
                logits = model(batch.passes).logits.float().cpu()
                for index, scores in zip(batch.order, logits.split(list(batch.counts)), strict=True):
                    results[start + index] = scores.clone()
    finally:
        model.train(was_training)
    return [scores for scores in results if scores is not None]
