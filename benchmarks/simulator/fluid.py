"""A scheduler that costs nothing, as a bound: preemptive earliest deadline first on a device without fixed cost."""

import heapq
from collections.abc import Sequence

from benchmarks.simulator.engine import Device
from benchmarks.simulator.workloads import SimulatedMessage


def fluid_on_time(messages: Sequence[SimulatedMessage], device: Device) -> float:
    """Share of the messages in time if the device worked on one at a time, could switch freely, paid only for tokens,
    and left out whatever can no longer be in time. No batching policy reaches it while a batch has a fixed cost; where
    all can be in time it is the optimum, in overload it is what deadline order reaches."""
    waiting: list[tuple[float, int, float]] = []
    now, on_time = 0.0, 0
    upcoming = [*messages]
    for number, message in enumerate(upcoming):
        now, finished = _work(waiting, now, message.delivered)
        on_time += finished
        seconds = device.seconds(message.token_count, message.squared_tokens) - device.fixed_seconds
        heapq.heappush(waiting, (message.deadline, number, seconds * device.slowdown(message.delivered)))
    on_time += _work(waiting, now, float("inf"))[1]
    return on_time / len(upcoming) if upcoming else 1.0


def _work(waiting: list[tuple[float, int, float]], now: float, until: float) -> tuple[float, int]:
    """Work in order of deadline until a time. The new time and how many were finished."""
    finished = 0
    while waiting and now < until:
        deadline, number, seconds = heapq.heappop(waiting)
        if now + seconds > deadline:
            continue
        if now + seconds > until:
            heapq.heappush(waiting, (deadline, number, seconds - (until - now)))
            return until, finished
        now += seconds
        finished += 1
    return (now if waiting else max(now, until)), finished
