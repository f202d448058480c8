"""A trace of messages replayed in real time against an engine that really computes."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.simulator.engine import Policy, Run
from benchmarks.simulator.workloads import SimulatedMessage
from model import EncodedText, LabelSet


@dataclass(slots=True, eq=False)
class ReplayedMessage(SimulatedMessage):
    """A message of a trace with the text to score."""

    text: str = ""
    label_set: LabelSet | None = None
    encoded: EncodedText | None = None


Score = Callable[[Sequence[ReplayedMessage]], object]
"""Scores a batch; returns when the results are there."""


def replay(policy: Policy, messages: Sequence[ReplayedMessage], score: Score) -> Run:
    """Deliver each message at its intended time, as far as the device lets go; latency counts from the intended time.

    One thread does both: what arrives while a batch runs is delivered right after it, before the next decision, when
    it first matters.
    """
    arrivals = list(messages)
    arrived, batches, busy = 0, 0, 0.0
    began = time.perf_counter()
    now = 0.0
    while True:
        while arrived < len(arrivals) and arrivals[arrived].arrival <= now:
            policy.add(arrivals[arrived], arrivals[arrived].arrival)
            arrived += 1
        decision = policy.next_batch(now)
        if not isinstance(decision, list):
            wake = min(arrivals[arrived].arrival if arrived < len(arrivals) else math.inf, decision)
            if math.isinf(wake):
                break
            time.sleep(max(0.0, began + wake - time.perf_counter()))
            now = max(time.perf_counter() - began, wake)
            continue
        started = time.perf_counter()
        score([message for message in decision if isinstance(message, ReplayedMessage)])
        seconds = time.perf_counter() - started
        now = time.perf_counter() - began
        busy += seconds
        batches += 1
        for message in decision:
            message.finished = now
        policy.finished(decision, seconds, now)
    simulated: list[SimulatedMessage] = [*arrivals]
    return Run(simulated, batches, busy, now)
