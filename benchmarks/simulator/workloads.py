"""Arrivals for the simulator: who sends how long a text when, drawn from a seed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np


@dataclass(slots=True, eq=False)
class SimulatedMessage:
    """A message: when it was meant to arrive, when it did, and, once simulated, when its result was out or that it was
    dropped."""

    tenant: str
    weight: float
    latency_budget_seconds: float
    token_count: int
    squared_tokens: int
    arrival: float
    delivered: float
    deadline: float
    finished: float = math.inf
    dropped: bool = False

    @property
    def on_time(self) -> bool:
        """Whether the result was out by the deadline, counted from the intended arrival."""
        return self.finished <= self.deadline


@dataclass(frozen=True, slots=True)
class Tenant:
    """A sender: its share of the messages and what it allows."""

    name: str
    share: float
    latency_budget_seconds: float
    weight: float = 1.0


def zipf_tenants(budgets_seconds: Sequence[float], exponent: float = 1.1) -> tuple[Tenant, ...]:
    """Tenants in order of traffic, the share of the i-th proportional to 1 / i^exponent."""
    weights = [1 / (rank + 1) ** exponent for rank in range(len(budgets_seconds))]
    return tuple(
        Tenant(f"{budget * 1000:.0f} ms", weight / sum(weights), budget)
        for budget, weight in zip(budgets_seconds, weights, strict=True)
    )


TENANTS = zipf_tenants((0.25, 0.06, 0.5, 0.12, 2.0))


@dataclass(frozen=True, slots=True)
class Lengths:
    """Text lengths in tokens: lognormal, a share of them long documents, plus the label prompt that every text
    carries."""

    median: float = 48
    sigma: float = 0.8
    documents: float = 0.0
    document_tokens: int = 480
    prompt_tokens: int = 32
    longest: int = 512

    def draw(self, random: np.random.Generator, count: int) -> np.ndarray:
        """That many sequence lengths, prompt included."""
        text = np.exp(random.normal(math.log(self.median), self.sigma, count))
        text[random.uniform(size=count) < self.documents] = self.document_tokens
        return np.clip(text, 1, self.longest - self.prompt_tokens).astype(np.int64) + self.prompt_tokens

    def mean(self) -> float:
        """Mean sequence length, from a fixed sample."""
        return float(self.draw(np.random.default_rng(0), 200_000).mean())


@dataclass(frozen=True, slots=True)
class Rate:
    """The load over time, relative to what the device can do offline: `high` from `start` to `end`, else `low`."""

    low: float
    high: float = 0.0
    start: float = math.inf
    end: float = math.inf

    def __call__(self, time: float) -> float:
        return self.high if self.start <= time < self.end else self.low


SHORT, LONG = Lengths(median=20), Lengths(median=120, sigma=0.5)
BIMODAL = Lengths(median=20, sigma=0.5, documents=0.1)
ADVERSARIAL = Lengths(median=20, sigma=0.3, documents=1 / 32)


@dataclass(frozen=True, slots=True)
class Workload:
    """A stream of messages: load over time, senders, lengths."""

    name: str
    load: Rate
    seconds: float
    tenants: tuple[Tenant, ...] = TENANTS
    lengths: Lengths = field(default_factory=Lengths)
    bursty: bool = False
    outage_seconds: float = 0.0
    """Until then nothing is delivered; then all that was sent meanwhile at once."""

    def messages(self, tokens_per_second: float, seed: int) -> list[SimulatedMessage]:
        """Poisson arrivals at `load` times the offline maximum, in bursts if asked, in order of time."""
        random = np.random.default_rng(seed)
        mean = self.lengths.mean()
        step = 0.05
        starts = np.arange(0, self.seconds, step)
        factors = _bursts(random, len(starts), step) if self.bursty else np.ones(len(starts))
        expected = np.array([self.load(t) for t in starts]) * factors * step * tokens_per_second / mean
        counts = random.poisson(expected)
        times = np.repeat(starts, counts) + random.uniform(0, step, int(counts.sum()))
        times.sort()
        shares = np.array([tenant.share for tenant in self.tenants])
        senders = random.choice(len(shares), len(times), p=shares / shares.sum())
        lengths = self.lengths.draw(random, len(times))
        messages = []
        for time, sender, length in zip(times.tolist(), senders.tolist(), lengths.tolist(), strict=True):
            tenant = self.tenants[sender]
            budget = tenant.latency_budget_seconds
            delivered = max(time, self.outage_seconds)
            message = SimulatedMessage(
                tenant.name, tenant.weight, budget, length, length * length, time, delivered, time + budget
            )
            messages.append(message)
        return messages


def _bursts(random: np.random.Generator, count: int, step: float, ratio: float = 3.0) -> np.ndarray:
    """A two-state Markov-modulated factor: `ratio` times the quiet rate for about 0.5 s in 2.5 s, mean 1."""
    burst_seconds, quiet_seconds = 0.5, 2.0
    quiet = (burst_seconds + quiet_seconds) / (ratio * burst_seconds + quiet_seconds)
    state, factors = False, np.empty(count)
    switches = random.uniform(size=count)
    for i in range(count):
        if switches[i] < step / (burst_seconds if state else quiet_seconds):
            state = not state
        factors[i] = quiet * (ratio if state else 1.0)
    return factors
