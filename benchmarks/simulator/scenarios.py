"""The workloads of the policy benchmark, each with its device."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from benchmarks.simulator.engine import Device
from benchmarks.simulator.workloads import (
    ADVERSARIAL,
    BIMODAL,
    LONG,
    SHORT,
    TENANTS,
    Lengths,
    Rate,
    Tenant,
    Workload,
)

GPU = Device()
CPU = Device(fixed_seconds=0.0055, seconds_per_token=45e-6)
FLOODING = "flood"
FLOOD_TENANTS = (
    Tenant(FLOODING, 1.5, 0.06),
    *(Tenant(f"{budget} ms", 0.1, budget / 1000) for budget in (120, 250, 500, 1000)),
)
BURSTY_SEEDS = (1, 2, 3, 4, 5, 6)
"""More than for steady arrivals: what matters is how many bursts, and there is one in 2.5 s."""

LOADS = (0.3, 0.6, 0.8, 0.9, 0.95, 1.0, 1.2)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A workload on a device, and the seeds it is drawn from."""

    workload: Workload
    device: Device = GPU
    seeds: tuple[int, ...] = (1, 2)


def poisson(load: float, seconds: float) -> Scenario:
    """Steady arrivals of the five tenants."""
    return Scenario(Workload(f"load {load:.2f}", Rate(load), seconds))


def scenarios(seconds: float) -> Mapping[str, Scenario]:
    """All of them by name, each this many simulated seconds long."""
    steady = {f"{load:.2f}": poisson(load, seconds) for load in LOADS}
    bursty = {
        f"{load:.2f}_bursty": Scenario(Workload("bursts of 3x", Rate(load), seconds, bursty=True), seeds=BURSTY_SEEDS)
        for load in (0.6, 0.8)
    }
    lengths: dict[str, Lengths] = {"short": SHORT, "long": LONG, "bimodal": BIMODAL, "adversarial": ADVERSARIAL}
    mixes = {
        f"0.85_{name}_texts": Scenario(Workload(name, Rate(0.85), seconds, lengths=mix), seeds=(1,))
        for name, mix in lengths.items()
    }
    third = seconds / 3
    slowed = replace(GPU, slow_factor=1.6, slow_from=third)
    roomy = tuple(replace(tenant, latency_budget_seconds=4 * tenant.latency_budget_seconds) for tenant in TENANTS)
    others = {
        "flood": Scenario(Workload("flood", Rate(1.9), seconds / 2, tenants=FLOOD_TENANTS)),
        "step_0.4_1.2_0.4": Scenario(Workload("step", Rate(0.4, 1.2, third, 2 * third), seconds), seeds=(1,)),
        "0.55_slowed_1.6x": Scenario(Workload("slowed", Rate(0.55), seconds), slowed, seeds=(1,)),
        "0.60_after_outage": Scenario(Workload("outage", Rate(0.6), seconds, outage_seconds=third), seeds=(1,)),
        "0.95_cpu_costs": Scenario(Workload("cpu", Rate(0.95), 4 * seconds, tenants=roomy), CPU, seeds=(1,)),
        "1.20_cpu_costs": Scenario(Workload("cpu", Rate(1.2), 4 * seconds, tenants=roomy), CPU, seeds=(1,)),
    }
    return {**steady, **bursty, **others, **mixes}
