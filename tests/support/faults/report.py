"""The fault matrix, made of what the runs have shown."""

import json
import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

FAULTS = {
    "F1": "worker killed (kill -9)",
    "F2": "worker stopped (SIGTERM) in the middle of work",
    "F3": "worker frozen beyond its session, then woken",
    "F4": "broker restarted; broker killed",
    "F5": "group or transaction coordinator killed, also in the middle of a commit",
    "F6": "network to one or all brokers cut, or frozen in one or both directions",
    "F7": "Produce, commit and EndTxn, calls or answers, delayed beyond the request timeout",
    "F8": "model 20 times slower",
    "F9": "a member joins or leaves every 0.5-3 s",
    "F10": "owner killed, a spare replica takes over",
    "F11": "poison of every kind; hostile records",
    "F12": "dead-letter topic missing; denied",
    "F13": "compacted input with aborted transactions",
    "F14": "partitions added; topic recreated; retention passes the offset",
    "F15": "too few replicas in sync; two of three brokers killed",
    "F16": "soak while members come and go",
}


@dataclass(frozen=True)
class Row:
    """What one run came to.

    fault: a key of `FAULTS`; what: which variant of it; mode: the delivery guarantee.
    resume_seconds: from each fault, or from its end where nothing can be done before, to progress on every partition.
    """

    fault: str
    what: str
    mode: str
    faults: int
    inputs: int
    lost: int
    repeated: int
    resume_seconds: list[float] = field(default_factory=list)


def append(file: Path, row: Row) -> None:
    """Add a run to a report of JSON lines."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as lines:
        lines.write(json.dumps(asdict(row)) + "\n")


def load(file: Path) -> list[Row]:
    """The runs of a report."""
    return [Row(**json.loads(line)) for line in file.read_text().splitlines()]


def matrix(rows: Iterable[Row]) -> str:
    """A Markdown table with one line per fault; the runs of all its variants are added up."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.fault, []).append(row)
    lines = [
        "| fault | times | inputs | lost | repeated at least once | repeated exactly once | resumed after s, median |",
        "|---|---|---|---|---|---|---|",
        *(_line(fault, groups[fault]) for fault in FAULTS if fault in groups),
    ]
    return "\n".join(lines)


def _line(fault: str, rows: list[Row]) -> str:
    seconds = [each for row in rows for each in row.resume_seconds]
    resumed = f"{statistics.median(seconds):.1f} (longest {max(seconds):.1f})" if seconds else ""
    cells = [
        _total(rows, "faults"),
        _total(rows, "inputs"),
        _total(rows, "lost"),
        *(_total([row for row in rows if row.mode == mode], "repeated") for mode in ("at_least_once", "exactly_once")),
    ]
    return f"| {fault} {FAULTS[fault]} | {' | '.join(cells)} | {resumed} |"


def _total(rows: list[Row], name: str) -> str:
    return f"{sum(getattr(row, name) for row in rows):,}" if rows else ""
