"""What every benchmark leaves behind: its figures as JSON with machine and command, and a plot."""

import json
import math
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Figures = Mapping[str, Any]


def machine() -> dict[str, Any]:
    """What the figures were measured on: processor, usable cores, memory, software, date. No host name, no paths."""
    described: dict[str, Any] = {
        "processor": _line_after("/proc/cpuinfo", "model name") or platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }
    memory = _line_after("/proc/meminfo", "MemTotal")
    if memory:
        described["memory_gib"] = round(int(memory.split()[0]) / 2**20, 1)
    return described


def command_line(module: str, arguments: Sequence[str]) -> str:
    """The command that makes the figures again, without the names of the files it wrote."""
    shown, skip = [], False
    for argument in arguments:
        if skip:
            skip = False
        elif argument in ("--json", "--plot"):
            skip = True
        elif not argument.startswith(("--json=", "--plot=")):
            shown.append(argument)
    return " ".join(["python", "-m", module, *shown])


def write_report(file: Path, figures: Figures, command: str) -> None:
    """Write figures, machine and command as JSON. A figure that is not a number is an error, not a null."""
    _require_finite(figures, "figures")
    report = {"figures": figures, "machine": machine(), "command": command}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(report, indent=2, allow_nan=False) + "\n")


def plot_lines(
    file: Path,
    title: str,
    lines: Mapping[str, Sequence[tuple[float, float]]],
    *,
    x_label: str,
    y_label: str,
    emphasised: str = "",
) -> None:
    """Draw one line per name through its points; needs the extra `bench` (matplotlib)."""
    figure, axes = _figure(title)
    for name, points in lines.items():
        width = 2.5 if name == emphasised else 1.2
        axes.plot([x for x, _ in points], [y for _, y in points], marker="o", markersize=3, linewidth=width, label=name)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    _save(figure, file)


def plot_bars(file: Path, title: str, bars: Mapping[str, float], *, x_label: str) -> None:
    """Draw one horizontal bar per name, the first at the top; needs the extra `bench` (matplotlib)."""
    figure, axes = _figure(title)
    names = list(bars)[::-1]
    drawn = axes.barh(names, [bars[name] for name in names])
    axes.bar_label(drawn, fmt="%.3g", padding=3)
    axes.set_xlabel(x_label)
    axes.margins(x=0.12)
    _save(figure, file)


def _figure(title: str) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title)
    return figure, axes


def _save(figure: Any, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=120)


def _require_finite(value: Any, name: str) -> None:
    if isinstance(value, Mapping):
        for key, item in value.items():
            _require_finite(item, f"{name}.{key}")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name} is {value}: the benchmark did not measure it")


def _line_after(file: str, key: str) -> str:
    try:
        lines = Path(file).read_text().splitlines()
    except OSError:
        return ""
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(key)), "")
