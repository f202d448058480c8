"""The demo's outcome: a table for people, JSON for programs."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.table import Table

from worker.demo.tally import Tally, percentiles


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts of one run. `lost` are inputs the broker acknowledged that came out nowhere."""

    messages_in: int
    classified: int
    dead_lettered: int
    lost: int
    duplicates: int
    on_time_ratio: float
    messages_per_second: float  # results of either kind, from the first input to the last result
    latency_ms: dict[str, float]

    @classmethod
    def of(cls, tally: Tally) -> "Summary":
        results = tally.classified + tally.dead_lettered
        p50, p95, p99 = percentiles(tally.latencies_ms)
        return cls(
            messages_in=tally.messages_in,
            classified=tally.classified,
            dead_lettered=tally.dead_lettered,
            lost=tally.waiting,
            duplicates=tally.duplicates,
            on_time_ratio=round(tally.on_time_ratio, 4),
            messages_per_second=round(results / tally.last_out, 1) if tally.last_out else 0.0,
            latency_ms={"p50": p50, "p95": p95, "p99": p99},
        )

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


def write_report(path: Path, summary: Summary) -> None:
    """The summary as a JSON file."""
    path.write_text(json.dumps(summary.to_json(), indent=2) + "\n", "utf-8")


def summary_table(summary: Summary, tally: Tally, pace: str = "") -> Table:
    """Totals, then a line per tenant; `pace` says how fast messages were sent, and why."""
    table = Table(box=SIMPLE, title="gliclass-worker demo", title_justify="left", pad_edge=False)
    for heading in ("", "messages", "on time", "p50 ms", "p95 ms", "p99 ms", "budget ms"):
        table.add_column(heading, justify="right" if heading else "left")
    for name in sorted(tally.tenants):
        tenant = tally.tenants[name]
        latencies = (f"{value:.0f}" for value in percentiles(tenant.latencies_ms))
        on_time = f"{tenant.on_time / tenant.classified:.1%}"
        table.add_row(f"  {name}", f"{tenant.classified}", on_time, *latencies, f"{tenant.budget_ms:.0f}")
    table.add_section()
    totals = (f"{summary.latency_ms[point]:.0f}" for point in ("p50", "p95", "p99"))
    table.add_row("classified", f"{summary.classified}", f"{summary.on_time_ratio:.1%}", *totals, "")
    table.add_row("dead-lettered", f"{summary.dead_lettered}")
    table.add_row("lost", _judged(summary.lost))
    table.add_row("duplicates", _judged(summary.duplicates))
    table.add_row("[bold]messages in", f"[bold]{summary.messages_in}")
    table.caption = (
        f"{summary.messages_per_second:.0f} messages/s · {tally.mean_batch_messages():.1f} messages per batch · "
        f"{tally.remembered} with the text of an earlier one, not scored again"
    )
    if pace:
        table.caption += f"\nthe demo {pace}"
    table.caption_justify = "left"
    return table


def _judged(count: int) -> str:
    return f"[bold green]{count}" if count == 0 else f"[bold red]{count}"
