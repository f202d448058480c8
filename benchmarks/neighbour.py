"""What a busy process beside the worker costs it: the real worker on a real Kafka, with and without a neighbour.

    python -m benchmarks.neighbour [--rounds N] [--messages N] [--model DIR] [--json FILE] [--plot FILE]

Two workers take turns on backlogs of the same texts: one as it is shipped, one whose threads wait for each other as
GNU's OpenMP has it by default. Each works off one backlog alone on the machine and one beside `--busy` processes that
compute without end. Rates are medians over the rounds, ratios medians of each round's own. Needs the extra `bench`.
"""

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.kafka.systems import Appended, Material, Running, System
from benchmarks.kafka.worker import stop_cleanly_on_termination
from benchmarks.report import command_line, plot_bars, write_report
from model.starter import checkpoint_or_starter
from worker.demo.local_kafka import LocalKafka

MODULE = "benchmarks.neighbour"
SHIPPED, LIBRARY = "as shipped", "as the library waits"
LIBRARY_SPINS = "300000"
"""GOMP_SPINCOUNT where nothing is set and there are no more threads than processors (libgomp's manual)."""

SYSTEMS = (System(SHIPPED, "worker"), System(LIBRARY, "worker", environment=(("GOMP_SPINCOUNT", LIBRARY_SPINS),)))
LABELS = {"shop": ["billing", "delivery", "account"]}
WARM_UP_MESSAGES = 60
TIMEOUT_SECONDS = 300.0
BUSY = [sys.executable, "-c", "while True: pass"]


@dataclass(slots=True)
class Round:
    """Messages a second of each system, alone and beside the neighbour."""

    alone: dict[str, float] = field(default_factory=dict)
    beside: dict[str, float] = field(default_factory=dict)


def texts(count: int) -> list[str]:
    """Tickets of about twenty words, each with a number of its own."""
    said = "I was charged twice for order {} and the parcel is still not here, please tell me what happened"
    return [said.format(number) for number in range(count)]


def rate(appended: Sequence[Appended]) -> float:
    """Messages a second between the first result and the last."""
    times = sorted(each.at_ms for each in appended)
    return 1000 * (len(times) - 1) / max(1, times[-1] - times[0])


@contextmanager
def neighbours(count: int) -> Iterator[None]:
    """So many processes that compute without end."""
    running = [subprocess.Popen(BUSY) for _ in range(count)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


async def measure(options: argparse.Namespace, bootstrap_servers: str, folder: Path) -> list[Round]:
    """All rounds; who begins changes with each."""
    checkpoint = Path(checkpoint_or_starter(options.model, print))
    given = Material(checkpoint, LABELS, dict.fromkeys(LABELS, 2.0), texts(options.messages), threads=None)
    rounds: list[Round] = []
    async with AsyncExitStack() as stack:
        running = []
        for number, system in enumerate(SYSTEMS):
            one = Running(system, bootstrap_servers, given, folder / f"worker-{number}")
            stack.push_async_callback(one.stop)
            await one.start(WARM_UP_MESSAGES, TIMEOUT_SECONDS)
            running.append(one)
        for number in range(options.rounds):
            rounds.append(Round())
            for one in running if number % 2 else reversed(running):
                rounds[-1].alone[one.system.name] = rate(await one.work_off(options.messages, TIMEOUT_SECONDS))
                with neighbours(options.busy):
                    rounds[-1].beside[one.system.name] = rate(await one.work_off(options.messages, TIMEOUT_SECONDS))
            print(f"round {number}: {rounds[-1]}", flush=True)
    return rounds


def figures(rounds: Sequence[Round]) -> dict[str, float]:
    """Medians of the rounds: rates, what is kept beside the neighbour, and what is kept of the library's rate alone."""
    found: dict[str, float] = {}
    for name, words in ((SHIPPED, "shipped"), (LIBRARY, "library")):
        found[f"{words}_alone_messages_per_second"] = statistics.median(each.alone[name] for each in rounds)
        found[f"{words}_beside_messages_per_second"] = statistics.median(each.beside[name] for each in rounds)
        found[f"{words}_kept_beside"] = statistics.median(each.beside[name] / each.alone[name] for each in rounds)
    found["shipped_to_library_alone"] = statistics.median(each.alone[SHIPPED] / each.alone[LIBRARY] for each in rounds)
    return found


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (default 5)")
    parser.add_argument("--messages", type=int, default=600, help="of one backlog (default 600)")
    parser.add_argument("--busy", type=int, default=1, help="processes beside the worker (default 1)")
    parser.add_argument("--model", help="checkpoint folder (default: the starter)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures, the machine and the command")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the rates")
    options = parser.parse_args(arguments)
    stop_cleanly_on_termination()
    with LocalKafka() as kafka, tempfile.TemporaryDirectory() as folder:
        found = figures(asyncio.run(measure(options, kafka.bootstrap_servers, Path(folder))))
    for name, value in found.items():
        print(f"{name:36}{value:12.3f}")
    if options.json:
        rounded = {name: round(value, 3) for name, value in found.items()}
        write_report(options.json, rounded, command_line(MODULE, arguments))
    if options.plot:
        bars = {
            f"{name}, {place}": found[f"{name}_{place}_messages_per_second"]
            for name in ("shipped", "library")
            for place in ("alone", "beside")
        }
        plot_bars(options.plot, "Beside a busy process", bars, x_label="messages a second")


if __name__ == "__main__":
    main(sys.argv[1:])
