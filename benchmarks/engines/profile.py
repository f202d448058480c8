"""Where the scorer's time goes: matrix products of the layers, attention, and everything else."""

from collections.abc import Callable

from torch.profiler import ProfilerActivity, profile

ATTENTION = ("baddbmm", "bmm", "softmax", "scaled_dot_product")
LINEAR = ("linear", "addmm")


def time_shares(work: Callable[[], object]) -> dict[str, float]:
    """Shares of the time of all torch operators, by kind; they sum to 1. Runs `work` twice."""
    work()
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        work()
    seconds = {"linear": 0.0, "attention": 0.0, "rest": 0.0}
    for event in profiled.key_averages():
        seconds[_kind(event.key)] += event.self_cpu_time_total
    total = sum(seconds.values())
    return {kind: spent / total for kind, spent in seconds.items()}


def _kind(operator: str) -> str:
    if any(name in operator for name in ATTENTION):
        return "attention"
    return "linear" if any(name in operator for name in LINEAR) else "rest"
