"""Faults to build into a worker process under test."""

import math
import os
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from support.forked_process import ForkedProcess, forked_worker

POISON = "text that kills the process"


def sabotaged(fault: Callable[[], None]) -> Callable[[Path, Path], ForkedProcess]:
    """How `WorkerProcess` launches a worker with a fault of this module."""
    return partial(forked_worker, prepare=fault)


def no_batches() -> None:
    """Nothing raises and every loop turns, but no batch is ever formed."""
    from worker.batching.batcher import Batcher

    Batcher.next_batch = lambda self, now: math.inf


def blocked_loop() -> None:
    """Something blocks the event loop for good as soon as there is a batch."""
    from worker.batching.batcher import Batcher

    def next_batch(self: Any, now: float) -> float:
        if self.queued_messages:
            time.sleep(600)
        return math.inf

    Batcher.next_batch = next_batch


def poisonous_text() -> None:
    """The model ends the process, as a crash in native code does, when it reads one text."""
    from model.scorer import Scorer

    encode, score = Scorer.encode, Scorer.score
    poisoned: list[Any] = []

    def watched_encode(self: Any, text: str, *arguments: Any, **options: Any) -> Any:
        encoded = encode(self, text, *arguments, **options)
        if POISON in text:
            poisoned.append(encoded)
        return encoded

    def watched_score(self: Any, batch: Any) -> Any:
        if any(each is poison for each in batch for poison in poisoned):
            os.kill(os.getpid(), signal.SIGKILL)
        return score(self, batch)

    Scorer.encode, Scorer.score = watched_encode, watched_score
