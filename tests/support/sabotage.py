"""`gliclass-worker` with a fault built in, as a program: python sabotage.py FAULT run --config FILE."""

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

POISON = "text that kills the process"
FAULTS: dict[str, Callable[[], None]] = {}


def sabotaged(fault: Callable[[], None]) -> "Callable[[Path, Path], subprocess.Popen[bytes]]":
    """How `WorkerProcess` launches a worker with this fault."""

    def launch(config_file: Path, log_file: Path) -> "subprocess.Popen[bytes]":
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
        arguments = [__file__, fault.__name__, "run", "--config", str(config_file)]
        with log_file.open("ab") as log:
            return subprocess.Popen([sys.executable, *arguments], stdout=log, stderr=subprocess.STDOUT, env=environment)

    return launch


def fault(function: Callable[[], None]) -> Callable[[], None]:
    FAULTS[function.__name__] = function
    return function


@fault
def no_batches() -> None:
    """Nothing raises and every loop turns, but no batch is ever formed."""
    from worker.batcher import Batcher

    Batcher.next_batch = lambda self, now: math.inf


@fault
def blocked_loop() -> None:
    """Something blocks the event loop for good as soon as there is a batch."""
    from worker.batcher import Batcher

    def next_batch(self: Any, now: float) -> float:
        if self.queued_messages:
            time.sleep(600)
        return math.inf

    Batcher.next_batch = next_batch


@fault
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


if __name__ == "__main__":
    FAULTS[sys.argv.pop(1)]()
    from worker.cli import main

    main()
