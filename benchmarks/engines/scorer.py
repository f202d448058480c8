"""The engines that are compared: the `gliclass` pipeline in two orders, and the scorer in its number formats."""

import contextlib
import io
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from benchmarks.engines.workload import Workload
from model import Scorer
from model.verification.reference import PIPELINES

Engine = Callable[[Workload], object]
BATCH_SIZES = (1, 8, 16, 32)
SCORER_BATCH_TEXTS = 64
NO_LIMIT = 1.0
"""The benchmark measures bfloat16 on random weights; the deviation gate has its own figures."""


def pipeline_engine(folder: Path, batch_size: int, *, by_length: bool = False) -> Engine:
    """`gliclass` in float32; `by_length` sorts all texts before they are cut into batches.

    Label sets differ from text to text. The bi-encoder pipeline cannot take ragged label sets in one call, so there
    each label set is called for on its own.
    """
    logging.getLogger("transformers").setLevel(logging.ERROR)
    with contextlib.redirect_stderr(io.StringIO()):
        import gliclass
        from gliclass import pipeline as pipelines

        model = gliclass.GLiClassModel.from_pretrained(str(folder), dtype=torch.float32).eval()
        architecture = model.config.architecture_type
        pipeline = getattr(pipelines, PIPELINES[architecture])(
            model, str(folder), max_length=1024, device="cpu", progress_bar=False
        )

    def run(workload: Workload) -> object:
        order = list(range(len(workload.texts)))
        if by_length:
            order.sort(key=lambda index: len(workload.texts[index]))
        if architecture == "uni-encoder":
            texts = [workload.texts[index] for index in order]
            labels = [list(workload.label_sets[index].labels) for index in order]
            return pipeline(texts, labels, batch_size=batch_size)
        results = []
        for label_set in dict.fromkeys(workload.label_sets):
            texts = [workload.texts[index] for index in order if workload.label_sets[index] == label_set]
            results.append(pipeline(texts, list(label_set.labels), batch_size=batch_size))
        return results

    return run


def scorer_engine(folder: Path, dtype: str) -> Engine:
    """This package: tokenise and score, in batches of `SCORER_BATCH_TEXTS`; label sets are prepared before."""
    scorer = Scorer.load(folder, device="cpu", dtype=dtype, deviation_limit=NO_LIMIT)
    held = {}

    def run(workload: Workload) -> list[np.ndarray]:
        for label_set in dict.fromkeys(workload.label_sets):
            if label_set not in held:
                held[label_set] = scorer.prepare(label_set)
        logits = []
        for start in range(0, len(workload.texts), SCORER_BATCH_TEXTS):
            chosen = slice(start, start + SCORER_BATCH_TEXTS)
            pairs = zip(workload.texts[chosen], workload.label_sets[chosen], strict=True)
            scored = scorer.score([scorer.encode(text, [held[label_set]]) for text, label_set in pairs])
            logits += [of_text[0] for of_text in scored]
        return logits

    return run
