"""One model on one device: texts and label sets in, logits out."""

import copy
import logging
from collections.abc import Sequence
from pathlib import Path
from weakref import WeakValueDictionary

import numpy as np
import torch
from numpy.typing import NDArray

from model.checkpoint import Checkpoint, GliclassModel, load_checkpoint
from model.errors import ModelError
from model.label_set import LabelSet, validate
from model.long_text import LongText, combine_windows
from model.precision import (
    CHECK_LABEL_SETS,
    CHECK_TEXTS,
    DEFAULT_DEVIATION_LIMIT,
    choose_device,
    choose_dtype,
    probability_deviation,
)
from model.prompt import DEFAULT_LONG_TEXT, EncodedText, PreparedLabelSet, TextPass, encode_text

logger = logging.getLogger(__name__)

Logits = NDArray[np.float32]


class Scorer:
    """Scores texts under label sets with one checkpoint.

    `prepare` and `score` belong to one thread, the one that owns the device; `encode` may run on any thread.

    Attributes:
        architecture: `architecture_type` of the checkpoint.
        device, dtype: where and in what the model runs.
        digest: 16 hex digits; equal for equal weights, configuration and tokenizers.
        max_tokens: longest sequence of the text side; longer texts are cut and say so.
        deviation: largest difference in probability to float32 seen in the start-up check; 0.0 in float32.
    """

    architecture: str
    device: torch.device
    dtype: torch.dtype
    digest: str
    max_tokens: int
    deviation: float

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        device: str = "auto",
        dtype: str = "auto",
        threads: int | None = None,
        deviation_limit: float = DEFAULT_DEVIATION_LIMIT,
    ) -> None:
        """See `load`; `checkpoint` is left as it is."""
        if threads is not None:
            torch.set_num_threads(threads)
        self.architecture = checkpoint.config.architecture_type
        self.digest = checkpoint.digest
        self.max_tokens = checkpoint.tokenizers.max_tokens
        self.device = choose_device(device)
        self._tokenizers = checkpoint.tokenizers
        self._prepared: WeakValueDictionary[str, PreparedLabelSet] = WeakValueDictionary()
        self._run_in(checkpoint.model, torch.float32)
        wanted = choose_dtype(dtype, self.device)
        if wanted != torch.float32:
            self._gate(checkpoint.model, wanted, deviation_limit, required=dtype != "auto")

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        device: str = "auto",
        dtype: str = "auto",
        threads: int | None = None,
        max_tokens: int = 1024,
        revision: str | None = None,
        deviation_limit: float = DEFAULT_DEVIATION_LIMIT,
    ) -> "Scorer":
        """Load a checkpoint.

        Args:
            path: a checkpoint folder or the name of a Hugging Face repository.
            device: "auto" (CUDA if there is one), "cpu", "cuda", "cuda:1", …
            dtype: "float32", "bfloat16", or "auto": bfloat16 where the device multiplies it natively.
            threads: CPU threads of this process; None leaves torch's choice.
            max_tokens: window of a text with its labels; also limited by the encoder's positions.
            revision: of the repository.
            deviation_limit: largest difference in probability to float32, on a few texts scored while loading, up to
                which bfloat16 is used. Above it "auto" takes float32 with a warning.

        Raises:
            CheckpointError: the checkpoint cannot be used.
            ModelError: the device or dtype cannot be used; "bfloat16" was asked for and exceeds the limit.
        """
        checkpoint = load_checkpoint(path, max_tokens=max_tokens, revision=revision)
        return cls(checkpoint, device=device, dtype=dtype, threads=threads, deviation_limit=deviation_limit)

    def prepare(self, label_set: LabelSet) -> PreparedLabelSet:
        """Tokenise a label set and compute what does not depend on a text. Equal content is prepared once.

        Raises:
            LabelSetError: it is malformed or leaves no room for a text; nothing about it can fail later.
        """
        validate(label_set)
        key = label_set.key
        known = self._prepared.get(key)
        if known is not None:
            return known
        if label_set.examples and self.architecture == "bi-encoder":
            logger.warning(
                "a bi-encoder cannot read few-shot examples: the %d given are ignored", len(label_set.examples)
            )
        prompt = self._model.architecture.prompt(label_set, self._tokenizers)
        with torch.inference_mode():
            vectors = self._model.architecture.label_vectors([prompt])
        prepared = PreparedLabelSet(
            label_set=label_set,
            key=key,
            prompt=prompt,
            vectors=None if vectors is None else vectors[0],
            token_count=len(prompt.before) + len(prompt.after),
        )
        self._prepared[key] = prepared
        return prepared

    def encode(
        self, text: str, prepared: Sequence[PreparedLabelSet], long_text: LongText = DEFAULT_LONG_TEXT
    ) -> EncodedText:
        """Tokenise a text for its label sets.

        A text beyond the window is read as `long_text` says; what is not read is counted in `truncated_token_count`.
        """
        return encode_text(text, prepared, self._tokenizers.text, self.max_tokens, long_text)

    def score(self, batch: Sequence[EncodedText]) -> list[list[Logits]]:
        """Logits of a batch, float32 [labels], for each text and each of its label sets.

        A score does not depend on the other texts of the batch (in float32 to 1e-5).

        Raises:
            ModelError: a logit is not finite.
        """
        passes = [text_pass for encoded in batch for text_pass in encoded.passes]
        if not passes:
            return [[] for _ in batch]
        # Sequences of one length stand together, so that attention runs them in one call.
        order = sorted(range(len(passes)), key=lambda index: len(passes[index].token_ids))
        with torch.inference_mode():
            logits = self._model([passes[index] for index in order]).logits.float().cpu().numpy()
        if not np.isfinite(logits).all():
            raise ModelError("the model gave logits that are not finite")
        by_pass = _split(logits, [passes[index] for index in order])
        of_pass = dict(zip(order, by_pass, strict=True))
        results: list[list[Logits]] = []
        first = 0
        for encoded in batch:
            results.append(
                [
                    combine_windows([of_pass[first + index][place] for index, place in target], encoded.combine)
                    for target in encoded.targets
                ]
            )
            first += len(encoded.passes)
        return results

    def _run_in(self, model: GliclassModel, dtype: torch.dtype) -> None:
        self._model = copy.deepcopy(model).to(device=self.device, dtype=dtype).eval().requires_grad_(False)
        self.dtype = dtype
        self.deviation = 0.0
        self._prepared.clear()

    def _gate(self, model: GliclassModel, wanted: torch.dtype, limit: float, *, required: bool) -> None:
        """Run in `wanted` if that changes no probability of the check by more than `limit`."""
        exact = self._check_logits()
        self._run_in(model, wanted)
        deviation = probability_deviation(exact, self._check_logits())
        logger.info("%s changes probabilities by at most %.1e (limit %.1e)", wanted, deviation, limit)
        if deviation <= limit:
            self.deviation = deviation
            return
        if required:
            raise ModelError(
                f"dtype {wanted} changes a probability by {deviation:.3f}, more than deviation_limit {limit}; use "
                "float32 or raise the limit"
            )
        logger.warning(
            "%s changes a probability by %.3f, more than the limit %.3f: using float32", wanted, deviation, limit
        )
        self._run_in(model, torch.float32)

    def _check_logits(self) -> list[Logits]:
        prepared = [self.prepare(label_set) for label_set in CHECK_LABEL_SETS]
        scored = self.score([self.encode(text, prepared) for text in CHECK_TEXTS])
        return [logits for of_text in scored for logits in of_text]


def _split(logits: Logits, passes: Sequence[TextPass]) -> list[list[Logits]]:
    """Cut flat logits into one array per label set of each pass."""
    counts = [item.prompt.label_count for text_pass in passes for item in text_pass.label_sets]
    parts = iter(np.split(logits, np.cumsum(counts)[:-1]))
    return [[next(parts) for _ in text_pass.label_sets] for text_pass in passes]
