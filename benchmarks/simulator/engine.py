"""A simulated device and the loop that drives a batching policy against it on a virtual clock."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from benchmarks.simulator.workloads import SimulatedMessage


class Policy(Protocol):
    """A batcher: the product's own, or a peer's policy."""

    def add(self, message: SimulatedMessage, now: float) -> None:
        """A message arrived."""
        ...

    def next_batch(self, now: float) -> list[SimulatedMessage] | float:
        """The batch for a device that is free at `now`, or when to ask again."""
        ...

    def finished(self, messages: list[SimulatedMessage], seconds: float, now: float) -> None:
        """The device took this long for it."""
        ...


@dataclass(frozen=True, slots=True)
class Device:
    """Packed execution: seconds = fixed + per token + per squared length, with relative noise."""

    fixed_seconds: float = 0.005
    seconds_per_token: float = 4e-6
    seconds_per_squared_token: float = 0.0
    noise: float = 0.04
    max_batch_tokens: int = 16384
    slow_factor: float = 1.0
    slow_from: float = math.inf

    def seconds(self, tokens: int, squared_tokens: int) -> float:
        """Expected seconds of a batch at normal speed."""
        marginal = self.seconds_per_token * tokens + self.seconds_per_squared_token * squared_tokens
        return self.fixed_seconds + marginal

    def slowdown(self, now: float) -> float:
        """How many times as long as expected a batch that starts now takes."""
        return self.slow_factor if now >= self.slow_from else 1.0

    @property
    def offline_tokens_per_second(self) -> float:
        """The offline maximum: everything known beforehand, every batch full."""
        return self.max_batch_tokens / self.seconds(self.max_batch_tokens, 0)


@dataclass(frozen=True, slots=True)
class Run:
    """What one simulated run left behind."""

    messages: list[SimulatedMessage]
    batches: int
    busy_seconds: float
    seconds: float


def simulate(policy: Policy, messages: Sequence[SimulatedMessage], device: Device, seed: int = 0) -> Run:
    """Run the policy until every message is finished or dropped. Deterministic in its arguments."""
    noise = np.random.default_rng(seed + 1).normal(0.0, device.noise, 1 << 16).tolist()
    arrivals = list(messages)
    now, batches, busy, arrived = 0.0, 0, 0.0, 0
    while True:
        while arrived < len(arrivals) and arrivals[arrived].delivered <= now:
            policy.add(arrivals[arrived], arrivals[arrived].delivered)
            arrived += 1
        decision = policy.next_batch(now)
        if not isinstance(decision, list):
            following = arrivals[arrived].delivered if arrived < len(arrivals) else math.inf
            wake = min(following, decision)
            if math.isinf(wake):
                break
            now = max(math.nextafter(now, math.inf), wake)
            continue
        tokens = sum(message.token_count for message in decision)
        squared_tokens = sum(message.squared_tokens for message in decision)
        factor = max(0.5, 1 + noise[batches % len(noise)]) * device.slowdown(now)
        seconds = device.seconds(tokens, squared_tokens) * factor
        now += seconds
        busy += seconds
        batches += 1
        for message in decision:
            message.finished = now
        policy.finished(decision, seconds, now)
    return Run(arrivals, batches, busy, now)
