"""What an engine holds in memory: the loaded model, and what scoring needs beside it.

Importing torch and transformers takes several times what a small model takes, so the resident size of a whole process
says little about its engine. Here each engine has a process of its own, which imports everything that any of them
needs before the first reading, and in which freed blocks go back to the operating system at once.
"""

import gc
import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import torch

from benchmarks.engines.scorer import Engine
from benchmarks.engines.workload import Workload

RETURN_FREED_BLOCKS = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
KEEP_PEAK_SINCE_NOW = "5"
MODULE = "benchmarks.engines.memory"
FIRST_TEXTS = 1


class Memory(NamedTuple):
    """Of one engine, in MiB above a process that has imported everything.

    Attributes:
        loaded: resident, once the model is loaded and has scored one text.
        scoring: the peak while it scores the workload, above `loaded`.
    """

    loaded: float
    scoring: float


def measure_apart(engine: str, folder: Path, *, texts: int, threads: int, batch_size: int) -> Memory:
    """Measure an engine in a process of its own; `engine` is "pipeline" or a dtype of the scorer.

    batch_size: texts in a batch of the pipeline; the scorer takes its own.
    """
    command = [sys.executable, "-m", MODULE, engine, str(folder), str(texts), str(threads), str(batch_size)]
    environment = os.environ | RETURN_FREED_BLOCKS
    finished = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return Memory(**json.loads(finished.stdout.splitlines()[-1]))


def measure(load: Callable[[], Engine], texts: int) -> Memory:
    """Load and score in this process, on a Linux whose kernel lets a process forget its peak."""
    empty = _resident_mib()
    engine = load()
    engine(Workload.draw(FIRST_TEXTS))
    gc.collect()
    loaded = _resident_mib()
    workload = Workload.draw(texts)
    Path("/proc/self/clear_refs").write_text(KEEP_PEAK_SINCE_NOW, encoding="ascii")
    engine(workload)
    return Memory(loaded - empty, _status_mib("VmHWM") - loaded)


def _resident_mib() -> float:
    return _status_mib("VmRSS")


def _status_mib(field: str) -> float:
    # Not ru_maxrss: a child process inherits the peak of the parent that started it.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith(f"{field}:"))


def _loader(engine: str, folder: Path, batch_size: int) -> Callable[[], Engine]:
    engines = import_module("benchmarks.engines.scorer")
    if engine == "pipeline":
        return lambda: engines.pipeline_engine(folder, batch_size)
    return lambda: engines.scorer_engine(folder, engine)


def main() -> int:
    """The process of one engine; prints its `Memory` as JSON."""
    engine, folder, texts, threads, batch_size = sys.argv[1:]
    torch.set_num_threads(int(threads))
    import_module("gliclass")
    import_module("transformers.models.bert.modeling_bert")
    print(json.dumps(measure(_loader(engine, Path(folder), int(batch_size)), int(texts))._asdict()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
