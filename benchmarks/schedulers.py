"""The worker's batcher against other policies on a model that really computes, replaying traces in one process.

    python -m benchmarks.schedulers [--rounds N] [--seconds S] [--json FILE] [--plot FILE]

Everything is relative to the offline maximum of the same engine, measured in the same round. In each round all
policies replay the same traces, in shuffled order; what ran while a fixed matrix product took over 10% more or less
than beside the offline maximum is left out. The packed engine is the worker's; the padded one is the `gliclass`
pipeline with the same weights, to tell what the scheduler gains from what the engine gains. The peers' knobs are tuned
on a simulated device with the engine's own cost.
Needs the extra `bench`.
"""

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from benchmarks.engines.models import write_checkpoint
from benchmarks.engines.scheduler import (
    MAX_BATCH_TOKENS,
    Engine,
    Texts,
    calibration,
    offline_tokens_per_second,
    packed_engine,
    padded_engine,
)
from benchmarks.engines.trace_replay import ReplayedMessage, replay
from benchmarks.report import command_line, plot_lines, write_report
from benchmarks.simulator.contenders import CONTENDERS, OURS
from benchmarks.simulator.contest import best_setting
from benchmarks.simulator.engine import Device, Policy
from benchmarks.simulator.ours import DeadlineBatcher
from benchmarks.simulator.outcome import outcome
from benchmarks.simulator.scenarios import Scenario
from benchmarks.simulator.workloads import TENANTS, Lengths, Rate, Tenant, Workload
from worker.batching.cost_model import CostModel

MODULE = "benchmarks.schedulers"
PEERS = ("tei_without_prefetch", "triton_reject", "bentoml")
LOADS = (0.8, 0.95, 1.2)
LENGTHS = Lengths(longest=400)
TIGHTEST_SECONDS, TIGHTEST_MESSAGES, LOOSEST_SECONDS = 0.25, 16, 10.0
MOST_DRIFT = 0.10
CONTROL_SIZE, CONTROL_REPEATS = 768, 8


@dataclass(frozen=True, slots=True)
class Point:
    """On-time share of one policy at one load in one round."""

    engine: str
    load: float
    policy: str
    round_number: int
    on_time_percent: float


def tenants_for(message_seconds: float) -> tuple[Tenant, ...]:
    """The simulator's tenants with budgets that fit a slower device: the tightest is that of some messages' work."""
    tightest = max(TIGHTEST_SECONDS, TIGHTEST_MESSAGES * message_seconds)
    factor = tightest / min(tenant.latency_budget_seconds for tenant in TENANTS)
    return tuple(
        replace(
            tenant,
            latency_budget_seconds=min(max(LOOSEST_SECONDS, 4 * tightest), factor * tenant.latency_budget_seconds),
        )
        for tenant in TENANTS
    )


def control_seconds() -> float:
    """A fixed piece of arithmetic: its time tells whether the machine is as it was."""
    matrix = torch.ones(CONTROL_SIZE, CONTROL_SIZE)
    seconds = []
    for _ in range(CONTROL_REPEATS):
        started = time.perf_counter()
        torch.mm(matrix, matrix)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


class Bench:
    """One engine with its calibration and its tuned contenders."""

    def __init__(self, engine: Engine, texts: Texts, contenders: Sequence[str]) -> None:
        self.engine = engine
        self._texts = texts
        self._samples = calibration(engine, texts, LENGTHS.longest)
        cost = CostModel(self._samples)
        self.message_seconds = cost.marginal(int(LENGTHS.mean()), int(LENGTHS.mean()) ** 2)
        self._device = Device(cost.fixed_seconds, max(cost.seconds_per_token, 1e-7), cost.seconds_per_squared_token)
        self.tenants = tenants_for(self.message_seconds)
        tuning = Scenario(self._workload(0.95, 60 * self.message_seconds * 16), self._device, seeds=(11,))
        self.settings = {name: best_setting(name, tuning=tuning) for name in contenders if name != OURS}

    def _workload(self, load: float, seconds: float) -> Workload:
        return Workload(f"load {load}", Rate(load), seconds, tenants=self.tenants, lengths=LENGTHS)

    def trace(self, load: float, seconds: float, seed: int, tokens_per_second: float) -> list[ReplayedMessage]:
        """Messages with texts, at a load relative to the offline maximum."""
        simulated = self._workload(load, seconds).messages(tokens_per_second, seed)
        return [self._texts.message(message, number) for number, message in enumerate(simulated)]

    def offline_maximum(self, seed: int) -> float:
        """Tokens a second of this engine, now."""
        sample = self._workload(1.0, 60 * self.message_seconds * 16).messages(1 / self._device.seconds_per_token, seed)
        messages = [self._texts.message(message, number) for number, message in enumerate(sample[:200])]
        return offline_tokens_per_second(self.engine, messages)

    def policy(self, name: str) -> Policy:
        """A fresh contender; ours starts calibrated, as the worker does."""
        if name == OURS:
            return DeadlineBatcher(replace(self._device, max_batch_tokens=MAX_BATCH_TOKENS), CostModel(self._samples))
        return CONTENDERS[name][self.settings[name]](self._device)


def measure(bench: Bench, names: Sequence[str], options: argparse.Namespace) -> list[Point]:
    """All rounds of one engine. At each load of a round all policies take turns, in shuffled order; these turns are
    left out together when the machine drifted from what it was while the round's offline maximum was measured."""
    points: list[Point] = []
    for round_number in range(options.rounds):
        chance = random.Random(round_number)
        usual = control_seconds()
        maximum = bench.offline_maximum(seed=round_number)
        print(f"{bench.engine.name}: round {round_number}, {maximum:.0f} tokens/s offline", flush=True)
        for load in chance.sample(options.loads, len(options.loads)):
            controls = [control_seconds()]
            found: list[Point] = []
            for name in chance.sample(names, len(names)):
                trace = bench.trace(load, options.seconds, round_number, maximum)
                run = replay(bench.policy(name), trace, bench.engine.score)
                shares = outcome([run], Device())
                if shares.lost:
                    raise RuntimeError(f"{name} lost {shares.lost} messages")
                found.append(Point(bench.engine.name, load, name, round_number, shares.on_time_percent))
                controls.append(control_seconds())
            drift = max(max(control / usual, usual / control) for control in controls) - 1
            kept = drift <= options.most_drift
            shown = ", ".join(f"{point.policy} {point.on_time_percent:.1f}" for point in found)
            print(f"  load {load}: {shown}; drift {drift:.0%}, {'kept' if kept else 'left out'}", flush=True)
            points += found if kept else []
    return points


def figures(points: Sequence[Point], names: Sequence[str]) -> dict[str, float]:
    """Median on-time share of each cell, and of ours to the best peer's in the same round: median and range."""
    result: dict[str, float] = {}
    for engine, load in sorted({(point.engine, point.load) for point in points}):
        cell = [point for point in points if (point.engine, point.load) == (engine, load)]
        for name in names:
            shares = [point.on_time_percent for point in cell if point.policy == name]
            result[f"{engine}_{name}_on_time_{load:.2f}"] = round(statistics.median(shares), 2)
        ratios = []
        for round_number in sorted({point.round_number for point in cell}):
            shares = {p.policy: p.on_time_percent for p in cell if p.round_number == round_number}
            best = max((share for name, share in shares.items() if name != OURS), default=0.0)
            ratios.append(shares[OURS] / max(best, 0.1))
        ratio = f"{engine}_ours_to_best_peer_{load:.2f}"
        result[ratio] = round(statistics.median(ratios), 3)
        result[f"{ratio}_lowest"], result[f"{ratio}_highest"] = round(min(ratios), 3), round(max(ratios), 3)
        result[f"{engine}_rounds_kept_{load:.2f}"] = len(ratios)
    return result


def main(arguments: Sequence[str]) -> int:
    options = _options(arguments)
    torch.set_num_threads(options.threads)
    names = (OURS, *options.peers)
    points: list[Point] = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = write_checkpoint(Path(scratch) / "bert", "bert")
        packed, scorer = packed_engine(folder, options.dtype)
        texts = Texts(scorer)
        for engine_name in options.engines:
            bench = Bench(packed if engine_name == "packed" else padded_engine(folder), texts, names)
            print(f"{engine_name}: {1000 * bench.message_seconds:.1f} ms a message, knobs {bench.settings}")
            points += measure(bench, names, options)
    measured = figures(points, names)
    for name, value in measured.items():
        print(f"{name:52}{value:9.2f}")
    wanted = {(engine, load) for engine in options.engines for load in options.loads}
    if missing := wanted - {(point.engine, point.load) for point in points}:
        print(f"no turn was quiet enough for {sorted(missing)}: run it again on an idle machine", file=sys.stderr)
        return 1
    if options.json:
        write_report(options.json, measured, command_line(MODULE, arguments))
    if options.plot:
        lines = {
            f"{name}, {engine}": [(load, measured[f"{engine}_{name}_on_time_{load:.2f}"]) for load in options.loads]
            for engine in options.engines
            for name in names
        }
        plot_lines(
            options.plot,
            "Messages in time, real model",
            lines,
            x_label="load relative to the offline maximum",
            y_label="% on time",
            emphasised=f"{OURS}, packed",
        )
    return 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (default 5)")
    parser.add_argument("--seconds", type=float, default=8.0, help="length of each replay (default 8)")
    parser.add_argument("--loads", type=float, nargs="+", default=list(LOADS), help="relative to the offline maximum")
    parser.add_argument("--peers", nargs="+", choices=[*CONTENDERS], default=list(PEERS), help="policies to compare")
    parser.add_argument("--engines", nargs="+", choices=("packed", "padded"), default=["packed", "padded"])
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"), help="of the packed engine")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of the model (default 1)")
    parser.add_argument("--most-drift", type=float, default=MOST_DRIFT, help="of the control loop in a round")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures, the machine and the command")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the on-time share over the load")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
