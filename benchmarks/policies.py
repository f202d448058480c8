"""Batching policies against each other on a simulated device: deterministic, about a minute, no model and no Kafka.

    python -m benchmarks.policies [--json FILE] [--plot FILE]

The worker's own batcher, unchanged, against the policies of other servers written anew from their source, on the same
arrivals. Nothing here says how fast those servers are: only what they decide. Loads are relative to what the device
can do offline, when everything is known beforehand.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from benchmarks.report import command_line, plot_lines, write_report
from benchmarks.simulator.contenders import CONTENDERS, OURS
from benchmarks.simulator.contest import best_setting, run
from benchmarks.simulator.fluid import fluid_on_time
from benchmarks.simulator.outcome import Outcome
from benchmarks.simulator.scenarios import FLOODING, LOADS, Scenario, poisson, scenarios

SECONDS = 15.0
WANTED_ON_TIME_PERCENT = 99.0
LOWEST_LOAD, HIGHEST_LOAD, LOAD_STEP = 0.02, 1.1, 0.005
FLUID = "fluid_edf_bound"

P = ParamSpec("P")
T = TypeVar("T")


def bound(scenario: Scenario) -> float:
    """The share in time of a scheduler that costs nothing, in percent."""
    tokens_per_second = scenario.device.offline_tokens_per_second
    shares = [
        fluid_on_time(scenario.workload.messages(tokens_per_second, seed), scenario.device) for seed in scenario.seeds
    ]
    return 100 * sum(shares) / len(shares)


def max_load(contender: str, setting: str, seconds: float) -> float:
    """The highest load, in steps of 0.005, at which 99% of the messages are in time; 0 if there is none."""

    def reached(steps: int) -> bool:
        scenario = poisson(steps * LOAD_STEP, seconds)
        percent = bound(scenario) if contender == FLUID else run(contender, setting, scenario).on_time_percent
        return percent >= WANTED_ON_TIME_PERCENT

    low, high = round(LOWEST_LOAD / LOAD_STEP), round(HIGHEST_LOAD / LOAD_STEP)
    if not reached(low):
        return 0.0
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if reached(middle) else (low, middle)
    return round(low * LOAD_STEP, 3)


@dataclass(frozen=True, slots=True)
class Results:
    """Everything that was simulated."""

    settings: dict[str, str]
    outcomes: dict[str, dict[str, Outcome]]
    """By scenario, then by contender."""
    bounds: dict[str, float]
    max_loads: dict[str, float]


def measure(seconds: float = SECONDS, contenders: Sequence[str] = tuple(CONTENDERS), processes: int = 1) -> Results:
    """Tune, then run every contender on every scenario. The results do not depend on the number of processes."""
    with ProcessPoolExecutor(processes) if processes > 1 else _InProcess() as executor:
        tuned = executor.map(best_setting, contenders)
        settings = dict(zip(contenders, tuned, strict=True))
        chosen = scenarios(seconds)
        pending = {
            name: {c: executor.submit(run, c, settings[c], scenario) for c in contenders}
            for name, scenario in chosen.items()
        }
        pending_bounds = {name: executor.submit(bound, scenario) for name, scenario in chosen.items()}
        pending_loads = {c: executor.submit(max_load, c, settings.get(c, ""), seconds) for c in (*contenders, FLUID)}
        return Results(
            settings,
            {name: {c: future.result() for c, future in row.items()} for name, row in pending.items()},
            {name: future.result() for name, future in pending_bounds.items()},
            {c: future.result() for c, future in pending_loads.items()},
        )


def figures(results: Results) -> dict[str, Any]:
    """Ours at the top, each other contender's under its name. Percentages, except loads and counts."""

    def of(contender: str) -> dict[str, float]:
        row = {name: outcomes[contender] for name, outcomes in results.outcomes.items()}
        good = [p for tenant, p in row["flood"].on_time_percent_by_tenant.items() if tenant != FLOODING]
        return {
            **{f"on_time_{name}": round(outcome.on_time_percent, 2) for name, outcome in row.items()},
            "good_tenants_on_time_under_flood": round(sum(good) / len(good), 2),
            "flooding_tenant_on_time": round(row["flood"].on_time_percent_by_tenant[FLOODING], 2),
            "max_load_at_99_on_time": results.max_loads[contender],
            "lost": sum(outcome.lost for outcome in row.values()),
        }

    fluid = {f"on_time_{name}": round(percent, 2) for name, percent in results.bounds.items()}
    others = {contender: of(contender) for contender in results.settings if contender != OURS}
    return {**of(OURS), **others, FLUID: {**fluid, "max_load_at_99_on_time": results.max_loads[FLUID]}}


def print_results(results: Results) -> None:
    """A table per scenario, then the loads."""
    for name, outcomes in results.outcomes.items():
        tenants = list(next(iter(outcomes.values())).on_time_percent_by_tenant)
        print(f"\n{name}   (bound: {results.bounds[name]:.1f}% on time)")
        columns = "".join(f"{tenant:>9}" for tenant in tenants)
        print(
            f"  {'':22}{'on time':>8}{'late':>7}{'dropped':>8}{'lost':>5}{'p50 ms':>8}{'p99 ms':>9}{'eff.':>6}{columns}"
        )
        for contender, o in outcomes.items():
            shares = "".join(f"{o.on_time_percent_by_tenant[tenant]:9.1f}" for tenant in tenants)
            print(
                f"  {contender:22}{o.on_time_percent:8.2f}{o.late_percent:7.2f}{o.dropped_percent:8.2f}{o.lost:5d}"
                f"{o.p50_ms:8.1f}{o.p99_ms:9.1f}{o.efficiency:6.2f}{shares}"
            )
    print("\nhighest load with 99% on time, relative to the offline maximum")
    for contender, load in results.max_loads.items():
        setting = results.settings.get(contender, "")
        print(f"  {contender:22}{load:7.3f}  {setting}")


def plot(results: Results, file: Path) -> None:
    """On-time share over the load."""
    lines = {
        contender: [(load, results.outcomes[f"{load:.2f}"][contender].on_time_percent) for load in LOADS]
        for contender in results.settings
    }
    lines[FLUID] = [(load, results.bounds[f"{load:.2f}"]) for load in LOADS]
    plot_lines(
        file,
        "Messages in time, five tenants with budgets of 60 ms to 2 s (simulated)",
        lines,
        x_label="load relative to the offline maximum",
        y_label="% on time",
        emphasised=OURS,
    )


class _InProcess(Executor):
    """Runs everything at once in this process."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        future: Future[T] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.policies", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures, the machine and the command")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the on-time share over the load")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="simulated seconds a scenario (default 15)")
    options = parser.parse_args(arguments)
    results = measure(options.seconds, processes=os.cpu_count() or 1)
    print_results(results)
    if options.json:
        write_report(options.json, figures(results), command_line("benchmarks.policies", arguments))
    if options.plot:
        plot(results, options.plot)


if __name__ == "__main__":
    main(sys.argv[1:])
