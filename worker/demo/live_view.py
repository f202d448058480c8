"""The demo on a terminal: rates, latency against each tenant's budget, labels, dead letters, a few results. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from worker.demo.tally import Classified, Tally, TenantTally, percentiles

_BARS = " ▁▂▃▄▅▆▇█"
_FIXED_LINES = 15  # everything but the latest results, which take what is left of the screen
_BUDGET_CELLS = 12


@dataclass(frozen=True, slots=True)
class Moment:
    """Where the demo stands when it is drawn."""

    phase: str
    seconds: float
    planned_messages: int
    workers: int
    where: str  # which Kafka


def render(tally: Tally, moment: Moment, *, width: int, height: int) -> RenderableType:
    """One screen of at most `width` cells by `height` lines."""
    latest_lines = max(0, min(len(tally.latest), (height - _FIXED_LINES - 2) // 2))
    parts: list[RenderableType] = [
        _title(moment),
        Panel(_flow(tally, moment, width - 4), title="flow", title_align="left", border_style="dim"),
        Panel(_tenants(tally, moment.seconds, width), title="tenants", title_align="left", border_style="dim"),
        _dead_letters(tally),
    ]
    if latest_lines:
        parts.append(Panel(_latest(tally, latest_lines), title="latest", title_align="left", border_style="dim"))
    return Group(*parts)


def plain_line(tally: Tally, moment: Moment, seconds: int) -> str:
    """The same in one line, for logs; rates are those of the last `seconds`."""
    came_in, went_out = tally.rates(int(moment.seconds), seconds)
    recent = [ms for tenant in tally.tenants.values() for ms in tenant.recent_ms(moment.seconds)]
    _, p95, _ = percentiles(recent)
    return (
        f"{moment.seconds:5.0f} s  {moment.phase:<9}"
        f" in {tally.messages_in} ({sum(came_in) / seconds:.0f}/s)"
        f"  classified {tally.classified} ({sum(went_out) / seconds:.0f}/s)"
        f"  dead letters {tally.dead_lettered}  waiting {tally.waiting}"
        f"  on time {tally.on_time_ratio:.1%}  p95 {p95:.0f} ms"
    )


def _title(moment: Moment) -> Text:
    workers = "1 worker" if moment.workers == 1 else f"{moment.workers} workers"
    return Text.assemble(
        (" gliclass-worker demo ", "bold reverse"),
        f"  {moment.phase}  {moment.seconds:.0f} s  ",
        (f"{workers} · {moment.where} · Ctrl-C ends", "dim"),
        no_wrap=True,
        overflow="ellipsis",
    )


def _flow(tally: Tally, moment: Moment, width: int) -> RenderableType:
    cells = max(10, width - 30)
    came_in, went_out = tally.rates(int(moment.seconds), cells)
    highest = max(1, *came_in, *went_out)
    done = tally.classified + tally.dead_lettered
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=8)
    grid.add_column(width=7, justify="right")
    grid.add_column(width=10)
    grid.add_column(no_wrap=True)
    for name, series, total in (("in", came_in, tally.messages_in), ("out", went_out, done)):
        grid.add_row(name, f"{total}", f"{_mean(series[-3:]):6.0f} /s", Text(sparkline(series, highest), style="cyan"))
    share = f"{tally.on_time_ratio:.1%}"
    facts = Text.assemble(
        ("waiting ", "dim"),
        f"{tally.waiting}",
        ("   on time ", "dim"),
        (share, "green" if tally.on_time_ratio >= 0.95 else "yellow"),
        ("   messages/batch ", "dim"),
        f"{tally.mean_batch_messages():.1f} ",
        (_batch_sizes(tally), "magenta"),
        ("   planned ", "dim"),
        f"{moment.planned_messages}",
        no_wrap=True,
        overflow="ellipsis",
    )
    return Group(grid, facts)


def _tenants(tally: Tally, now: float, width: int) -> Table:
    table = Table(box=None, pad_edge=False, expand=True, header_style="dim")
    table.add_column("", no_wrap=True)
    table.add_column("messages", justify="right")
    table.add_column("on time", justify="right")
    table.add_column("p50", justify="right")
    table.add_column("p95", justify="right")
    table.add_column("of budget", no_wrap=True, width=_BUDGET_CELLS + 8)
    if width >= 90:
        table.add_column("labels", no_wrap=True, overflow="ellipsis", ratio=1)
    for name in sorted(tally.tenants):
        tenant = tally.tenants[name]
        p50, p95, _ = percentiles(tenant.recent_ms(now))
        row: list[RenderableType] = [
            name,
            f"{tenant.classified}",
            f"{tenant.on_time / tenant.classified:.1%}",
            f"{p50:.0f} ms",
            f"{p95:.0f} ms",
            _budget(p95, tenant),
        ]
        if width >= 90:
            row.append(Text(_top_labels(tenant), style="dim", no_wrap=True, overflow="ellipsis"))
        table.add_row(*row)
    return table


def _budget(latency_ms: float, tenant: TenantTally) -> Text:
    """p95 as a bar against the budget: full is exactly on time."""
    used = latency_ms / tenant.budget_ms if tenant.budget_ms else 0.0
    filled = min(_BUDGET_CELLS, round(used * _BUDGET_CELLS))
    style = "green" if used <= 0.7 else "yellow" if used <= 1 else "red"
    bar = Text("━" * filled, style=style)
    bar.append("━" * (_BUDGET_CELLS - filled), style="grey23")
    return bar.append(f" {tenant.budget_ms / 1000:g} s", style="dim")


def _top_labels(tenant: TenantTally) -> str:
    return "  ".join(f"{label} {count}" for label, count in tenant.labels.most_common(6))


def _dead_letters(tally: Tally) -> Text:
    text = Text(" dead letters ", style="red", no_wrap=True, overflow="ellipsis")
    text.append(f"{tally.dead_lettered}  ", style="bold")
    text.append("  ".join(f"{reason} {count}" for reason, count in tally.reasons.most_common()), style="dim")
    return text


def _latest(tally: Tally, count: int) -> Group:
    return Group(*(line for record in list(tally.latest)[-count:] for line in _result(record)))


def _result(record: Classified) -> tuple[Text, Text]:
    said = " ".join("".join(c if c.isprintable() else "·" for c in record.text).split())
    text = Text.assemble((f"{record.tenant}  ", "cyan"), said, no_wrap=True, overflow="ellipsis")
    labels = ", ".join(f"{task}: {label} {score:.2f}" for task, label, score in record.labels) or "none"
    notes = f"  {record.latency_ms:.0f} ms" + ("  truncated" if record.truncated else "")
    return text, Text.assemble(("  → ", "dim"), (labels, "bold"), (notes, "dim"), no_wrap=True, overflow="ellipsis")


def sparkline(values: Sequence[int], highest: int) -> str:
    """One character per value, the tallest at `highest`; anything above zero is visible."""
    top = len(_BARS) - 1
    return "".join(_BARS[min(top, -(-value * top // highest))] for value in values)


def _batch_sizes(tally: Tally) -> str:
    """How many batches had 1, 2-3, 4-7, … messages."""
    counts = [0] * 8
    for size, number in tally.batches.items():
        counts[min(7, size.bit_length() - 1)] += round(number)
    return sparkline(counts, max(1, *counts))


def _mean(values: Sequence[int]) -> float:
    return sum(values) / len(values) if values else 0.0
