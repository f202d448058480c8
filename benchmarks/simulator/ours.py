"""The worker's own batcher behind the simulator's interface, calibrated on the simulated device as at a real start."""

import numpy as np

from benchmarks.simulator.engine import Device
from benchmarks.simulator.workloads import SimulatedMessage
from worker.batching.batch import Batch
from worker.batching.batcher import Batcher
from worker.batching.cost_model import CostModel, CostSample, calibration_lengths


def calibrated(device: Device, seed: int = 0) -> CostModel:
    """A cost model from timing the calibration batches on the device, noise included."""
    random = np.random.default_rng(seed + 2)
    samples = []
    for lengths in calibration_lengths(device.max_batch_tokens, 512):
        tokens, squared_tokens = sum(lengths), sum(length * length for length in lengths)
        seconds = device.seconds(tokens, squared_tokens) * max(0.5, 1 + random.normal(0, device.noise))
        samples.append(CostSample(tokens, squared_tokens, seconds))
    return CostModel(samples)


class DeadlineBatcher:
    """`worker.batching.batcher.Batcher`, unchanged.

    `drops_late`: as for tenants whose policy leaves late messages unscored.
    """

    def __init__(self, device: Device, cost_model: CostModel | None = None, *, drops_late: bool = False) -> None:
        self.batcher: Batcher[SimulatedMessage] = Batcher(
            cost_model or calibrated(device),
            max_batch_tokens=device.max_batch_tokens,
            drops_late=(lambda _: True) if drops_late else None,
        )
        self._running: Batch[SimulatedMessage] | None = None

    def add(self, message: SimulatedMessage, now: float) -> None:
        self.batcher.add(message, now)

    def next_batch(self, now: float) -> list[SimulatedMessage] | float:
        decision = self.batcher.next_batch(now)
        for message in self.batcher.take_dropped():
            message.dropped = True
        if not isinstance(decision, Batch):
            return decision
        self._running = decision
        return list(decision.messages)

    def finished(self, messages: list[SimulatedMessage], seconds: float, now: float) -> None:
        if self._running is not None:
            self.batcher.finished(self._running, seconds, now)
