"""Times the device at start, so that the first deadline test already rests on measurements."""

import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from model.errors import ModelError
from model.label_set import LabelSet
from model.scorer import EncodedText, PreparedLabelSet, Scorer
from model.starter import default_cache_dir
from worker.batching.cost_model import CostModel, CostSample, CostStateError, calibration_lengths, cost_key
from worker.device.processors import processors

log = structlog.get_logger(__name__)

LABEL_SET = LabelSet(("one", "two"))
BUDGET_SECONDS = 8.0
REPEATS = 2
WARM_UP_TOKENS = 64


def squared_tokens(encoded: EncodedText) -> int:
    """What attention costs: the sum of squared lengths of the sequences."""
    return sum(len(text_pass.token_ids) ** 2 for text_pass in encoded.passes)


def measure_cost(
    model: Scorer,
    max_batch_tokens: int,
    *,
    budget_seconds: float = BUDGET_SECONDS,
    clock: Callable[[], float] = time.perf_counter,
) -> CostModel:
    """Time batches of growing size, the smallest first, until the budget is spent; runs on the device thread.

    This is warm-up and memory probe too: a batch that does not fit into memory fails here and not on a message.
    """
    warm_up(model)
    prepared = model.prepare_unread(LABEL_SET)
    samples: list[CostSample] = []
    began_at, slowest_seconds_per_token = clock(), 0.0
    for lengths in calibration_lengths(max_batch_tokens, model.max_tokens):
        texts = [_text_of(model, prepared, length) for length in lengths]
        tokens = sum(text.token_count for text in texts)
        expected_seconds = REPEATS * slowest_seconds_per_token * tokens
        if samples and clock() - began_at + expected_seconds > budget_seconds:
            continue
        seconds = min(_timed(model, texts, clock) for _ in range(REPEATS))
        slowest_seconds_per_token = seconds / tokens
        samples.append(CostSample(tokens, sum(squared_tokens(text) for text in texts), seconds))
    return CostModel(samples)


def warm_up(model: Scorer) -> None:
    """Run one small batch: the first one of a process takes far longer than the model says."""
    model.score([_text_of(model, model.prepare_unread(LABEL_SET), WARM_UP_TOKENS)])


class CostStore:
    """The cost model of one model on one device, kept in a file: a restart starts calibrated."""

    def __init__(self, folder: Path | None, model: Scorer, threads: int, usable: float) -> None:
        """`threads` of one pass on `usable` processors' worth of time. Without a folder nothing is kept."""
        self._key = cost_key(model.digest, str(model.device), model.dtype_name, f"{threads} on {usable:g}")
        name = f"{hashlib.sha256(self._key.encode()).hexdigest()[:16]}.json"
        self._file = folder / name if folder is not None else None

    def load(self) -> CostModel | None:
        """The stored model, or None where there is none that can be used."""
        if self._file is None:
            return None
        try:
            return CostModel.from_dict(json.loads(self._file.read_bytes()), self._key)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, CostStateError) as error:
            log.warning("the stored cost model is not used", file=str(self._file), reason=str(error))
            return None

    def save(self, model: CostModel) -> None:
        """Write the model; a folder that cannot be written costs the next start a calibration, nothing else."""
        if self._file is None:
            return
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            temporary = self._file.with_suffix(f".{os.getpid()}")
            temporary.write_text(json.dumps(model.to_dict(self._key)))
            temporary.replace(self._file)
        except OSError as error:
            log.warning("the cost model could not be stored", file=str(self._file), reason=str(error))


def cost_store(model: Scorer) -> CostStore:
    """Where the cost model of this model on this device is kept: in the cache, or nowhere without a place for it."""
    try:
        folder = default_cache_dir() / "cost-models"
    except (ModelError, OSError) as error:
        log.warning("no cost model is kept", reason=str(error))
        folder = None
    return CostStore(folder, model, model.threads, processors().usable)


def _text_of(model: Scorer, prepared: PreparedLabelSet, length: int) -> EncodedText:
    """A text of about `length` device tokens: most tokenizers make one token of a short word."""
    overhead = model.encode("a", [prepared]).token_count - 1
    return model.encode("a " * max(1, length - overhead), [prepared])


def _timed(model: Scorer, texts: list[EncodedText], clock: Callable[[], float]) -> float:
    began_at = clock()
    model.score(texts)
    return clock() - began_at
