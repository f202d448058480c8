"""Changing the weights of a saved checkpoint, so that a random model's scores differ from label to label."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors.torch import load_file, save_file
from support.closeness import TOLERANCE

from model import LabelSet, Scorer


def scale_weights(folder: Path, factors: Mapping[str, float]) -> Path:
    """Multiply the matrices whose names hold a key of `factors` (the first that matches); returns `folder`."""
    path = folder / "model.safetensors"
    weights = load_file(path)
    for name, weight in weights.items():
        factor = next((value for part, value in factors.items() if part in name), 1.0)
        if weight.dim() > 1:
            weight.mul_(factor)
    save_file(weights, path, metadata={"format": "pt"})
    return folder


def logit_scale(scorer: Scorer) -> float:
    """The largest logit of a random model on a few texts.

    Fails if the model hardly tells labels or texts apart: equal scores would then prove nothing.
    """
    prepared = [scorer.prepare(LabelSet(tuple("abcdef")))]
    texts = ("", "hello there", "a much longer text of many words " * 5)
    logits = np.stack([scored[0] for scored in scorer.score([scorer.encode(text, prepared) for text in texts])])
    scale = max(1.0, float(np.abs(logits).max()))
    assert logits.std(axis=1).min() > 100 * TOLERANCE * scale, "labels score alike"
    assert logits.std(axis=0).min() > 100 * TOLERANCE * scale, "texts score alike"
    return scale
