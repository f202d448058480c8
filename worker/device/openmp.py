"""How many threads a pass has and how they wait for each other: settled before torch loads OpenMP, which looks once."""

from collections.abc import Mapping, MutableMapping

from worker.device.processors import Processors

COUNT = "OMP_NUM_THREADS"
WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
"""Variables by which people choose how threads wait."""

SPINS = "2000"
"""Turns that a thread of GNU's OpenMP waits awake, some microseconds, before it sleeps. Its own 300,000 are a time
slice: beside one other busy process each of hundreds of barriers a pass then waits for a thread without a processor.
`python -m benchmarks.neighbour` measures it: fewer turns cost throughput where nobody disturbs."""


def settle_openmp(environment: MutableMapping[str, str], found: Processors) -> None:
    """Let threads without work sleep soon, and take no more of them than a CPU quota pays for, unless the environment
    says otherwise.

    A thread more than the quota pays for stops all of them, the event loop too, for the rest of each period.
    """
    if not any(name in environment for name in WAITING):
        environment["GOMP_SPINCOUNT"] = SPINS
        environment["KMP_BLOCKTIME"] = "0"
    if found.usable < found.affinity:
        environment.setdefault(COUNT, str(found.threads))


def settled(environment: Mapping[str, str]) -> str:
    """What is set, for the log."""
    return ", ".join(f"{name}={environment[name]}" for name in (COUNT, *WAITING) if name in environment)
