"""The fault matrix: one line per fault and delivery mode, made of what the runs have shown."""

import json
import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """What one run came to. `resume_seconds`: from each fault, or from its end, to progress on every partition."""

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
    """A Markdown table; runs of the same fault and mode are added up."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.fault, row.what), []).append(row)
    lines = [
        "| fault | mode | faults | inputs | lost | repeated | resumed after s, median (longest) |",
        "|---|---|---|---|---|---|---|",
    ]
    for (fault, what), same in sorted(groups.items(), key=lambda group: (_number(group[0][0]), group[0][1])):
        for mode in sorted({row.mode for row in same}):
            lines.append(_line(f"{fault} {what}", mode, [row for row in same if row.mode == mode]))
    return "\n".join(lines)


def _line(name: str, mode: str, rows: list[Row]) -> str:
    seconds = [each for row in rows for each in row.resume_seconds]
    resumed = f"{statistics.median(seconds):.1f} ({max(seconds):.1f})" if seconds else ""
    counts = (sum(getattr(row, name) for row in rows) for name in ("faults", "inputs", "lost", "repeated"))
    return f"| {name} | {mode.replace('_', ' ')} | {' | '.join(f'{count:,}' for count in counts)} | {resumed} |"


def _number(fault: str) -> int:
    return int("".join(filter(str.isdigit, fault)) or 99)
