"""This package against the reference: the `gliclass` package on the same checkpoint and the shipped cases."""

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from model.checkpoint import load_checkpoint
from model.errors import ModelError
from model.label_set import LabelSet
from model.scorer import Logits, Scorer
from model.verification.golden import Comparison, case_name, compare, score_cases
from model.verification.shipped_cases import LABEL_SETS, TEXTS

PIPELINES = {
    "uni-encoder": "UniEncoderZeroShotClassificationPipeline",
    "bi-encoder": "BiEncoderZeroShotClassificationPipeline",
    "bi-encoder-fused": "BiEncoderZeroShotClassificationPipeline",
    "encoder-decoder": "EncoderDecoderZeroShotClassificationPipeline",
    "encoder-decoder-cls": "EncoderDecoderZeroShotClassificationPipeline",
    "decoder-kv": "DecoderKVZeroShotClassificationPipeline",
}


def compare_with_reference(path: str | Path, *, max_tokens: int = 1024, revision: str | None = None) -> Comparison:
    """Score the shipped cases in float32 with both, one text at a time in the reference.

    Cases in which the reference is known to be wrong are left out and named: a text that pushes the labels out of the
    window (text first), and several labels under a pooling that reads the padding of the shorter ones (label tower).

    Raises:
        CheckpointError: the checkpoint cannot be loaded.
        ModelError: the `gliclass` package is not installed.
    """
    package, pipelines = _reference_package("gliclass"), _reference_package("gliclass.pipeline")
    checkpoint = load_checkpoint(path, max_tokens=max_tokens, revision=revision)
    scorer = Scorer(checkpoint, device="cpu", dtype="float32")
    folder = str(checkpoint.folder)
    model = package.GLiClassModel.from_pretrained(folder, dtype=torch.float32).eval()
    pipeline = getattr(pipelines, PIPELINES[scorer.architecture])(
        model, folder, max_length=scorer.max_tokens, device="cpu", progress_bar=False
    )
    actual, skipped = score_cases(scorer)
    expected: dict[str, Logits] = {}
    notes = list(skipped)
    config = checkpoint.config
    pools_padding = config.label_model_config is not None and config.pooling_strategy != "first"
    pushes_labels_out = scorer.architecture in ("uni-encoder", "bi-encoder-fused") and not config.prompt_first
    for number, label_set in enumerate(LABEL_SETS):
        if case_name(0, number) not in actual:
            continue
        if pools_padding and len(label_set.labels) > 1:
            notes.append(f"label set {number}: the reference pools over the padding of the shorter labels")
            continue
        prepared = scorer.prepare(label_set)
        for index, text in enumerate(TEXTS):
            if pushes_labels_out and scorer.encode(text, [prepared]).truncated_token_count:
                notes.append(f"{case_name(index, number)}: the reference lets the text push the labels out")
                continue
            expected[case_name(index, number)] = _logits(model, pipeline, text, label_set)
    return compare(expected, {name: actual[name] for name in expected}, tuple(notes))


def _logits(model: Any, pipeline: Any, text: str, label_set: LabelSet) -> Logits:
    labels = list(label_set.shown_labels)
    inputs = pipeline.prepare_inputs(
        [text],
        labels,
        same_labels=True,
        examples=[{"text": example.text, "labels": list(example.labels)} for example in label_set.examples],
        prompt=label_set.prompt or None,
    )
    with torch.no_grad():
        output = model(**inputs, max_num_classes=pipeline._resolve_max_num_classes(labels, True))
    return output.logits[0, : len(labels)].float().numpy().astype(np.float32)


def _reference_package(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != "gliclass":
            raise
        raise ModelError(
            "comparing with the reference needs the package 'gliclass': pip install gliclass==0.1.21"
        ) from error
