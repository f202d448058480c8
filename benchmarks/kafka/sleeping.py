"""A worker whose device only sleeps, and what it is fed: all that is left is what the worker itself costs."""

import random
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import orjson

from benchmarks.simulator.engine import Device
from model.scorer import EncodedText, Scorer

MESSAGE_BYTES = 1024
TENANTS = 5
LABELS = 4
DEVICE = Device(fixed_seconds=0.002, seconds_per_token=0.4e-6, noise=0.0)
"""Fast enough that Python is what is measured."""

SENTENCE = (
    "the order did not arrive on time and my account shows another charge please help me change the address of this "
    "delivery because nobody answers when I call again thank you for the quick reply about our last problem with it"
)


class SleepingModel:
    """A model's tokenizer with a device that takes its time and scores nothing."""

    digest = "sleeping-device"

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self.scored = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._scorer, name)

    def score(self, batch: Sequence[EncodedText]) -> list[list[np.ndarray]]:
        """Zeros, after the time that the simulated device takes."""
        tokens = sum(text.token_count for text in batch)
        time.sleep(DEVICE.seconds(tokens, 0))
        self.scored += len(batch)
        return [[np.zeros(LABELS, np.float32) for _ in text.targets] for text in batch]


def messages(count: int) -> Iterator[bytes]:
    """JSON records of 1 KB with a text of words that no other has."""
    source, words = random.Random(0), SENTENCE.split()
    frame = len(orjson.dumps({"text": "", "tenant": "tenant-0"}))
    for number in range(count):
        text = f"{number}"
        while frame + len(text) < MESSAGE_BYTES - 10:
            text += f" {source.choice(words)}"
        yield orjson.dumps({"text": text, "tenant": f"tenant-{number % TENANTS}"})
