import sys

import numpy as np
import pytest

from benchmarks.engines.memory import FIRST_TEXTS, measure
from benchmarks.engines.scorer import Engine
from benchmarks.engines.workload import Workload

MIB = 2**20


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process forget its peak")
def test_what_an_engine_keeps_and_what_it_needs_for_a_moment_are_told_apart() -> None:
    def load() -> Engine:
        kept = np.ones(100 * MIB, dtype=np.uint8)

        def engine(workload: Workload) -> object:
            if len(workload.texts) == FIRST_TEXTS:
                return kept[0]
            return [np.ones(80 * MIB, dtype=np.uint8)[0] for _ in range(3)]

        return engine

    memory = measure(load, texts=4)
    assert memory.loaded == pytest.approx(100, abs=15)
    assert memory.scoring == pytest.approx(80, abs=15)
