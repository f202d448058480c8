"""Who takes part in the simulation, and with which knobs. A contender with several settings is shown with its best."""

from collections.abc import Callable
from functools import partial

from benchmarks.simulator.engine import Device, Policy
from benchmarks.simulator.ours import DeadlineBatcher
from benchmarks.simulator.peers import FirstInFirstOut, LearntLatency, SizeOrTimeout, SortedWindow, TokenBudget

Factory = Callable[[Device], Policy]
Settings = dict[str, Factory]

OURS = "ours"
OURS_DROPPING = "ours_late_dropped"

SIZES = (32, 64, 128, 256)
TOKENS = (4096, 8192, 16384)


def _fixed(policy: Callable[[], Policy], _: Device) -> Policy:
    return policy()


def _settings(policies: dict[str, Callable[[], Policy]]) -> Settings:
    return {name: partial(_fixed, policy) for name, policy in policies.items()}


CONTENDERS: dict[str, Settings] = {
    OURS: {"": DeadlineBatcher},
    OURS_DROPPING: {"": partial(DeadlineBatcher, drops_late=True)},
    "tei": _settings({f"{n} tokens, prefetch": partial(TokenBudget, n, True) for n in TOKENS}),
    "tei_without_prefetch": _settings({f"{n} tokens": partial(TokenBudget, n, False) for n in TOKENS}),
    "triton": _settings({f"{n} messages": partial(FirstInFirstOut, n) for n in SIZES}),
    "triton_reject": _settings({f"{n} messages": partial(FirstInFirstOut, n, True) for n in SIZES}),
    "bentoml": _settings(
        {
            f"{n} messages, {limit * 1000:.0f} ms": partial(LearntLatency, n, limit)
            for n in (64, 128)
            for limit in (0.1, 0.2, 0.5)
        }
    ),
    "infinity": _settings({f"{n} messages": partial(SortedWindow, n) for n in (32, 64, 128)}),
    "ray": _settings(
        {
            f"{n} messages, {wait * 1000:.0f} ms": partial(SizeOrTimeout, n, wait)
            for n in SIZES
            for wait in (0.0, 0.01, 0.05)
        }
    ),
    "batch_1": _settings({"": lambda: FirstInFirstOut(1)}),
}
