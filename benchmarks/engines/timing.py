"""Timing several engines fairly on a machine that is never quite idle."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from model.prepacked import PrepackedLinear, can_prepack

PEAK_SHAPES = ((2048, 2048, 2048), (3072, 1536, 384), (3072, 384, 1536))
PEAK_REPEATS = 5


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times as fast one engine is as another, by paired rounds."""

    median: float
    lowest: float
    highest: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.lowest:.2f}-{self.highest:.2f})"


def interleaved(tasks: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each task in each round, by name; the order turns from round to round. One round warms up."""
    names = list(tasks)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds + 1):
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            start = time.perf_counter()
            tasks[name]()
            elapsed = time.perf_counter() - start
            if number > 0:
                seconds[name].append(elapsed)
    return seconds


def paired_ratio(slow: list[float], fast: list[float]) -> Ratio:
    """Ratios of the seconds of two tasks in the same rounds."""
    ratios = [a / b for a, b in zip(slow, fast, strict=True)]
    return Ratio(statistics.median(ratios), min(ratios), max(ratios))


def matrix_peak(dtype: torch.dtype) -> float:
    """Floating-point operations a second of the best matrix product found, over shapes and both kernels of torch."""
    best = 0.0
    with torch.inference_mode():
        for rows, inner, columns in PEAK_SHAPES:
            linear = torch.nn.Linear(inner, columns).to(dtype)
            states = torch.randn(rows, inner).to(dtype)
            kernels: list[Callable[[torch.Tensor], torch.Tensor]] = [linear]
            if can_prepack(states.device, dtype):
                kernels.append(PrepackedLinear(linear))
            for kernel in kernels:
                kernel(states)
                for _ in range(PEAK_REPEATS):
                    start = time.perf_counter()
                    kernel(states)
                    best = max(best, 2 * rows * inner * columns / (time.perf_counter() - start))
    return best
