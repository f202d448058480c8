"""The engines under the schedulers: packed as in the worker, padded as in the reference. Same weights, same texts."""

import contextlib
import io
import logging
import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.engines.models import WORDS, word
from benchmarks.engines.trace_replay import ReplayedMessage, Score
from benchmarks.simulator.workloads import SimulatedMessage
from model import LabelSet, Scorer
from worker.batching.cost_model import CostSample, calibration_lengths

LABELS_PER_SET = (4, 8, 12, 20)
OFFLINE_TEXTS = 128
OFFLINE_TOKENS = (1024, 2048, 4096, 8192)
OFFLINE_ROWS = (4, 8, 16, 32)
MAX_BATCH_TOKENS = 16384
CALIBRATION_SECONDS = 10.0
NO_LIMIT = 1.0


@dataclass(frozen=True, slots=True)
class Engine:
    """What scores batches, and how it does best when everything is known beforehand."""

    name: str
    score: Score
    padded: bool


class Texts:
    """Makes messages of wanted lengths: every word of the checkpoint's vocabulary is one token."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        source = random.Random(0)
        self._label_sets = [
            LabelSet(tuple(dict.fromkeys(word(source.randrange(WORDS)) for _ in range(2 * count)))[:count])
            for count in LABELS_PER_SET
        ]
        self._prepared = [scorer.prepare(label_set) for label_set in self._label_sets]
        self._prompt_tokens = [scorer.encode("", [prepared]).token_count for prepared in self._prepared]

    def message(self, simulated: SimulatedMessage, number: int) -> ReplayedMessage:
        """The simulated message with a text of its length, tokenised."""
        place = number % len(self._label_sets)
        source = random.Random(number)
        wanted = max(1, simulated.token_count - self._prompt_tokens[place])
        text = " ".join(word(source.randrange(WORDS)) for _ in range(wanted))
        encoded = self._scorer.encode(text, [self._prepared[place]])
        squared = sum(len(text_pass.token_ids) ** 2 for text_pass in encoded.passes)
        return ReplayedMessage(
            simulated.tenant,
            simulated.weight,
            simulated.latency_budget_seconds,
            encoded.token_count,
            squared,
            simulated.arrival,
            simulated.delivered,
            simulated.deadline,
            text=text,
            label_set=self._label_sets[place],
            encoded=encoded,
        )

    def of_length(self, tokens: int, number: int) -> ReplayedMessage:
        """A message of about so many tokens, with no hurry."""
        return self.message(SimulatedMessage("", 1.0, math.inf, tokens, 0, 0.0, 0.0, math.inf), number)


def packed_engine(folder: Path, dtype: str) -> tuple[Engine, Scorer]:
    """The worker's own: sequences one after the other, no padding."""
    scorer = Scorer.load(folder, device="cpu", dtype=dtype, deviation_limit=NO_LIMIT)

    def score(batch: Sequence[ReplayedMessage]) -> object:
        return scorer.score([message.encoded for message in batch if message.encoded is not None])

    return Engine("packed", score, padded=False), scorer


def padded_engine(folder: Path) -> Engine:
    """The `gliclass` pipeline with the whole batch padded to its longest text (float32)."""
    logging.getLogger("transformers").setLevel(logging.ERROR)
    with contextlib.redirect_stderr(io.StringIO()):
        import gliclass
        from gliclass import pipeline as pipelines

        model = gliclass.GLiClassModel.from_pretrained(str(folder), dtype=torch.float32).eval()
        pipeline = pipelines.UniEncoderZeroShotClassificationPipeline(
            model, str(folder), max_length=1024, device="cpu", progress_bar=False
        )

    def score(batch: Sequence[ReplayedMessage]) -> object:
        labels = [list(message.label_set.labels) for message in batch if message.label_set is not None]
        return pipeline([message.text for message in batch], labels, batch_size=len(batch))

    return Engine("padded", score, padded=True)


def calibration(engine: Engine, texts: Texts, longest_tokens: int) -> list[CostSample]:
    """Time batches of growing size, as the worker does at its start, for a limited time."""
    samples: list[CostSample] = []
    engine.score([texts.of_length(longest_tokens, 0)])
    began = time.perf_counter()
    for lengths in calibration_lengths(MAX_BATCH_TOKENS, longest_tokens):
        expected = sum(lengths) * samples[-1].seconds / samples[-1].token_count if samples else 0.0
        if time.perf_counter() - began + expected > CALIBRATION_SECONDS:
            continue
        batch = [texts.of_length(length, number) for number, length in enumerate(lengths)]
        seconds = _seconds(engine, batch)
        tokens, squared = sum(m.token_count for m in batch), sum(m.squared_tokens for m in batch)
        samples.append(CostSample(tokens, squared, seconds))
    return samples


def offline_tokens_per_second(engine: Engine, messages: Sequence[ReplayedMessage]) -> float:
    """The offline maximum: all texts known, sorted by length, in batches of the best size. Padding does not count."""
    chosen = sorted(messages[:OFFLINE_TEXTS], key=lambda message: message.token_count)
    tokens = sum(message.token_count for message in chosen)
    sizes = OFFLINE_ROWS if engine.padded else OFFLINE_TOKENS
    return max(tokens / sum(_seconds(engine, b) for b in _cut(chosen, size, engine.padded)) for size in sizes)


def _cut(messages: Sequence[ReplayedMessage], size: int, by_rows: bool) -> list[list[ReplayedMessage]]:
    batches: list[list[ReplayedMessage]] = [[]]
    for message in messages:
        filled = len(batches[-1]) if by_rows else sum(m.token_count for m in batches[-1])
        if batches[-1] and filled + (1 if by_rows else message.token_count) > size:
            batches.append([])
        batches[-1].append(message)
    return batches


def _seconds(engine: Engine, batch: Sequence[ReplayedMessage]) -> float:
    started = time.perf_counter()
    engine.score(batch)
    return time.perf_counter() - started
