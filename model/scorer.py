"""One model on one device: texts and label sets in, logits out."""

import copy
import logging
import math
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypedDict, Unpack, overload

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedConfig

from model.checkpoint import Checkpoint, load_checkpoint
from model.errors import LabelSetError, ModelError
from model.gliclass import GliclassModel
from model.label_preparation import LabelPreparation, Unit
from model.label_set import LabelSet
from model.long_text import LongText, combine_windows
from model.misuse import require_encoded, require_prepared, require_something_to_read, require_text
from model.precision import (
    CHECK_LABEL_SETS,
    CHECK_TEXTS,
    DEFAULT_DEVIATION_LIMIT,
    choose_device,
    choose_dtype,
    encoder_modules,
    probability_deviation,
    set_precision,
)
from model.prepacked import can_prepack, prepack
from model.prompt import DEFAULT_LONG_TEXT, EncodedText, PreparedLabelSet, TextPass, encode_text
from model.starter import build_starter
from model.vector_store import VectorStore

logger = logging.getLogger(__name__)

Logits = NDArray[np.float32]
Probabilities = dict[str, float]
"""By label."""

CLASSIFY_BATCH = 64
"""Texts of one forward pass of `Scorer.classify`."""

MICROBATCH_STATE_BYTES = 24 * 2**20
"""Size of the widest hidden states of a microbatch on the CPU. The C library gives larger blocks back to the operating
system at once, and every layer would have its states mapped anew."""


class LoadOptions(TypedDict, total=False):
    """What `Scorer.load` takes beside the path."""

    device: str
    dtype: str
    threads: int | None
    max_tokens: int
    deviation_limit: float


class NotFiniteError(ModelError):
    """A logit is NaN or infinite."""


class Scorer:
    """Scores texts under label sets with one checkpoint.

    `prepare` and `score` belong to one thread, the one that owns the device; `encode` may run on any thread.

    Attributes:
        architecture: `architecture_type` of the checkpoint.
        device, dtype: where and in what the model runs.
        digest: 16 hex digits; equal for equal weights, configuration and tokenizers.
        threads: CPU threads of one pass.
        max_tokens: longest sequence of the text side; longer texts are cut and say so.
        deviation: largest difference in probability to plain float32 that the start-up check saw.
    """

    architecture: str
    device: torch.device
    dtype: torch.dtype
    digest: str
    threads: int
    max_tokens: int
    deviation: float

    @property
    def dtype_name(self) -> str:
        """The dtype as settings, files and metrics name it: `float32`, `bfloat16`."""
        return str(self.dtype).removeprefix("torch.")

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
        self.threads = torch.get_num_threads()
        self.architecture = checkpoint.config.architecture_type
        self.digest = checkpoint.digest
        self.max_tokens = checkpoint.tokenizers.max_tokens
        self.device = choose_device(device)
        self._tokenizers = checkpoint.tokenizers
        self._widest_state = widest_state(checkpoint.config.encoder_config)
        wanted = choose_dtype(dtype, self.device)
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

    @classmethod
    def starter(cls, **options: Unpack[LoadOptions]) -> "Scorer":
        """The starter checkpoint, built into the cache the first time. `options` as in `load`.

        Raises:
            ModelError: it is not built yet and the extra `demo`, which fetches its towers, is not installed.
        """
        return cls.load(build_starter(), **options)

    @overload
    def classify(self, texts: str, labels: Sequence[str] | LabelSet, *, exclusive: bool = False) -> Probabilities: ...

    @overload
    def classify(
        self, texts: list[str] | tuple[str, ...], labels: Sequence[str] | LabelSet, *, exclusive: bool = False
    ) -> list[Probabilities]: ...

    def classify(
        self, texts: str | list[str] | tuple[str, ...], labels: Sequence[str] | LabelSet, *, exclusive: bool = False
    ) -> Probabilities | list[Probabilities]:
        """Probability of each label, in the order of the labels; for a list of texts a list.

        Args:
            exclusive: whether exactly one label is right (probabilities add up to 1) instead of any number.

        Raises:
            LabelSetError: the labels cannot be scored.
            TypeError, ValueError: what was passed is no text, or an empty one.
        """
        given = [texts] if isinstance(texts, str) else texts
        require_something_to_read(given)
        if not isinstance(labels, str | LabelSet):
            labels = tuple(labels)
        prepared = self.prepare(labels if isinstance(labels, LabelSet) else LabelSet(labels))  # pyright: ignore[reportArgumentType]
        names = prepared.label_set.labels
        encoded = [self.encode(text, [prepared]) for text in given]
        results = [
            dict(zip(names, as_probabilities(logits, exclusive=exclusive).tolist(), strict=True))
            for start in range(0, len(encoded), CLASSIFY_BATCH)
            for (logits,) in self.score(encoded[start : start + CLASSIFY_BATCH])
        ]
        return results[0] if isinstance(texts, str) else results

    def prepare(self, label_set: LabelSet) -> PreparedLabelSet:
        """Tokenise a label set and compute what does not depend on a text. Equal content is prepared once.

        Raises:
            LabelSetError: it is malformed, leaves no room for a text, or has labels that this model cannot read or
                tell apart; nothing about it can fail later.
            TypeError: it is no LabelSet.
        """
        (prepared,) = self.fill([self.draft(label_set)])
        return prepared

    def prepare_unread(self, label_set: LabelSet) -> PreparedLabelSet:
        """A label set whose scores nobody reads, to measure with: its labels need mean nothing to the tokenizer.

        Raises:
            LabelSetError: it leaves no room for a text.
        """
        (prepared,) = self.fill([self._preparation.tokenised(label_set)])
        return prepared

    def draft(self, label_set: LabelSet) -> PreparedLabelSet:
        """A label set that is checked and tokenised, without its vectors, which `fill` adds; runs on any thread.

        Raises:
            LabelSetError, TypeError: as `prepare`; nothing about it can be refused later.
        """
        return self._preparation.draft(label_set)

    def missing(self, drafts: Sequence[PreparedLabelSet]) -> list[Unit]:
        """What is to be computed before the drafts can be filled, and not on disk. Belongs to the device's thread."""
        return self._preparation.missing(drafts)

    def compute(self, units: Sequence[Unit]) -> None:
        """Compute some of what is missing, in one pass on the device's thread, for a `fill` that follows."""
        self._preparation.compute(units)

    def fill(self, drafts: Sequence[PreparedLabelSet]) -> list[PreparedLabelSet]:
        """The drafts with what their label side can know without a text; what is missing is computed in one pass.

        Belongs to the device's thread. Equal content gets the same object.
        """
        return self._preparation.fill(drafts)

    def keep_vectors_in(self, folder: Path) -> None:
        """Keep label vectors in a file of this folder from now on, and take those that are there."""
        file = folder / f"{self.digest}-{self.dtype_name}-{self.device.type}.sqlite"
        self._preparation.store = VectorStore(file)

    def encode(
        self, text: str, prepared: Sequence[PreparedLabelSet], long_text: LongText = DEFAULT_LONG_TEXT
    ) -> EncodedText:
        """Tokenise a text for its label sets.

        A text beyond the window is read as `long_text` says; what is not read is counted in `truncated_token_count`.

        Raises:
            TypeError, ValueError: not one text, or not label sets that this model prepared.
        """
        require_text(text)
        require_prepared(prepared, self.digest)
        return encode_text(text, prepared, self._tokenizers.text, self.max_tokens, long_text)

    def score(self, batch: Sequence[EncodedText]) -> list[list[Logits]]:
        """Logits of a batch, float32 [labels], for each text and each of its label sets.

        A score does not depend on the other texts of the batch (in float32 to 1e-5).

        Raises:
            NotFiniteError: a logit is not finite.
            TypeError: not a list of encoded texts.
        """
        require_encoded(batch)
        passes = [text_pass for encoded in batch for text_pass in encoded.passes]
        if not passes:
            return [[] for _ in batch]
        # Sequences of one length stand together, so that attention runs them in one call.
        order = sorted(range(len(passes)), key=lambda index: len(passes[index].token_ids))
        ordered = [passes[index] for index in order]
        with torch.inference_mode():
            parts = [self._model(part).logits.float() for part in self._microbatches(ordered)]
            logits = torch.cat(parts).cpu().numpy()
        if not np.isfinite(logits).all():
            raise NotFiniteError("the model gave logits that are not finite")
        by_pass = _split(logits, ordered)
        of_pass = dict(zip(order, by_pass, strict=True))
        results: list[list[Logits]] = []
        first = 0
        for encoded in batch:
            of_target = [
                combine_windows([of_pass[first + index][place] for index, place in target], encoded.combine)
                for target in encoded.targets
            ]
            results.append(encoded.joined(of_target))
            first += len(encoded.passes)
        return results

    def _microbatches(self, passes: Sequence[TextPass]) -> list[list[TextPass]]:
        """On a CPU, parts whose hidden states keep their memory between layers; elsewhere the whole."""
        if self.device.type != "cpu":
            return [list(passes)]
        limit = MICROBATCH_STATE_BYTES // (self._widest_state * self.dtype.itemsize)
        parts: list[list[TextPass]] = []
        room = 0
        for text_pass in passes:
            room -= len(text_pass.token_ids)
            if room < 0:
                parts.append([])
                room = limit - len(text_pass.token_ids)
            parts[-1].append(text_pass)
        return parts

    def _run_in(self, model: GliclassModel, dtype: torch.dtype, *, prepacked: bool) -> None:
        self._model = copy.deepcopy(model).to(self.device).eval().requires_grad_(False)
        set_precision(self._model.model, dtype)
        if prepacked:
            for encoder in encoder_modules(self._model.model):
                prepack(encoder)
        self.dtype = dtype
        self.deviation = 0.0
        self._preparation = LabelPreparation(self._model.architecture, self._tokenizers, self.digest, self.device)

    def _gate(self, model: GliclassModel, wanted: torch.dtype, limit: float, *, required: bool) -> None:
        """Run in `wanted` if that changes no probability of the check by more than `limit`.

        The measure is the plain module in float32, also for the prepacked form of float32 itself.
        """
        self._run_in(model, torch.float32, prepacked=False)
        exact = self._check_logits()
        tried = (wanted,) if required else tuple(dict.fromkeys((wanted, torch.float32)))
        for dtype in tried:
            prepacked = can_prepack(self.device, dtype)
            if dtype == torch.float32 and not prepacked:
                break
            self._run_in(model, dtype, prepacked=prepacked)
            deviation = self._deviation(exact)
            logger.info("%s changes probabilities by at most %.1e (limit %.1e)", dtype, deviation, limit)
            if deviation <= limit:
                self.deviation = deviation
                return
            if required and wanted != torch.float32:
                raise ModelError(
                    f"dtype {wanted} changes a probability by {deviation:.3f}, more than deviation_limit {limit}; use "
                    "float32 or raise the limit"
                )
            logger.warning("%s changes a probability by %.3f, more than the limit %.3f", dtype, deviation, limit)
        self._run_in(model, torch.float32, prepacked=False)

    def _deviation(self, exact: Sequence[Logits]) -> float:
        try:
            return probability_deviation(exact, self._check_logits())
        except NotFiniteError:
            return math.inf

    def _check_logits(self) -> list[Logits]:
        """Logits of the start-up check, under those of its label sets that fit the window."""
        prepared = []
        for label_set in CHECK_LABEL_SETS:
            with suppress(LabelSetError):
                # Words that a tokenizer does not know serve as well here.
                prepared.append(self.prepare_unread(label_set))
        if not prepared:
            raise ModelError(f"max_tokens {self.max_tokens} is too small for any label set; use 64 or more")
        scored = self.score([self.encode(text, prepared) for text in CHECK_TEXTS])
        return [logits for of_text in scored for logits in of_text]


def widest_state(config: PreTrainedConfig) -> int:
    """Width of the widest hidden state of an encoder: inside its feed-forward layers, or of its projections."""
    text_config = config.get_text_config()
    inner = getattr(text_config, "intermediate_size", None) or getattr(text_config, "d_ff", None) or 0
    return max(inner, 3 * text_config.hidden_size)


def as_probabilities(logits: Logits, *, exclusive: bool) -> NDArray[np.float64]:
    """Softmax over the labels where exactly one is right, else a sigmoid of each."""
    exact = logits.astype(np.float64)
    if exclusive:
        shares = np.exp(exact - exact.max())
        return shares / shares.sum()
    return 0.5 + 0.5 * np.tanh(0.5 * exact)


def _split(logits: Logits, passes: Sequence[TextPass]) -> list[list[Logits]]:
    """Cut flat logits into one array per label set of each pass."""
    counts = [item.prompt.label_count for text_pass in passes for item in text_pass.label_sets]
    parts = iter(np.split(logits, np.cumsum(counts)[:-1]))
    return [[next(parts) for _ in text_pass.label_sets] for text_pass in passes]
