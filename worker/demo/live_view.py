"""The demo on a terminal: rates, latency against each tenant's budget, labels, dead letters, a few results. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from worker.demo.tally import Classified, Tally, TenantTally, percentiles

_BARS = " ▁▂▃▄▅▆▇█"
_FIXED_LINES = 10  # title, flow, frame and heading of the tenants, dead letters
_FRAME_LINES = 2
_WIDE_CELLS = 100  # from here on the labels stand beside their tenant instead of below
_BUDGET_CELLS = 12
_GOOD_SHARE = 0.95
_SIZE_CLASSES = 8
_PHASE_STYLES = {"burst": "bold magenta", "catching up": "bold yellow"}


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
    wide = width >= _WIDE_CELLS
    tenant_lines = len(tally.tenants) * (1 if wide else 2)
    latest = max(0, (height - _FIXED_LINES - tenant_lines - _FRAME_LINES) // 2)
    parts: list[RenderableType] = [
        _title(moment),
        Panel(_flow(tally, moment, width - 4), title="flow", title_align="left", border_style="dim"),
        Panel(_tenants(tally, moment.seconds, wide), title="tenants", title_align="left", border_style="dim"),
        _dead_letters(tally),
    ]
    if latest:
        parts.append(Panel(_latest(tally, latest), title="latest", title_align="left", border_style="dim"))
    return Group(*parts)


def plain_line(tally: Tally, moment: Moment, seconds: int) -> str:
    """The same in one line, for logs; rates are those of the last `seconds`."""
    came_in, went_out = tally.rates(int(moment.seconds), seconds)
    recent = [ms for tenant in tally.tenants.values() for ms in tenant.recent_ms(moment.seconds)]
    _, p95, _ = percentiles(recent)
    return (
        f"{moment.seconds:5.0f} s  {moment.phase:<11}"
        f" in {tally.messages_in} ({sum(came_in) / seconds:.0f}/s)"
        f"  out {tally.classified + tally.dead_lettered} ({sum(went_out) / seconds:.0f}/s)"
        f"  dead letters {tally.dead_lettered}  waiting {tally.waiting}"
        f"  on time {tally.on_time_ratio:.1%}  p95 {p95:.0f} ms"
    )


def _title(moment: Moment) -> Text:
    workers = "1 worker" if moment.workers == 1 else f"{moment.workers} workers"
    return Text.assemble(
        (" gliclass-worker demo ", "bold reverse"),
        "  ",
        (moment.phase, _PHASE_STYLES.get(moment.phase, "")),
        f"  {moment.seconds:.0f} s  ",
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
    grid.add_column(width=3)
    grid.add_column(width=13)
    grid.add_column(width=9, justify="right")
    grid.add_column(no_wrap=True)
    totals = f"{tally.messages_in} of {moment.planned_messages}", f"{done}"
    for name, total, series in zip(("in", "out"), totals, (came_in, went_out), strict=True):
        grid.add_row(name, total, f"{_mean(series[-3:]):.0f} /s", Text(sparkline(series, highest), style="cyan"))
    facts = Text.assemble(
        ("waiting ", "dim"),
        f"{tally.waiting}",
        ("   on time ", "dim"),
        _share(tally.on_time_ratio),
        ("   messages/batch ", "dim"),
        f"{tally.mean_batch_messages():.1f} ",
        (_batch_sizes(tally), "magenta"),
        ("   remembered ", "dim"),
        f"{tally.remembered}",
        no_wrap=True,
        overflow="ellipsis",
    )
    return Group(grid, facts)


def _tenants(tally: Tally, now: float, wide: bool) -> RenderableType:
    headings = ("", "messages", "on time", "p50", "p95", "of budget")
    lines: list[RenderableType] = [_tenant_line(*(Text(heading, style="dim") for heading in headings))]
    for name in sorted(tally.tenants):
        tenant = tally.tenants[name]
        recent = tenant.recent_ms(now)
        p50, p95, _ = percentiles(recent)
        cells = (
            Text(name, style="cyan"),
            Text(f"{tenant.classified}"),
            _share(tenant.on_time / tenant.classified),
            Text(f"{p50:.0f} ms" if recent else "-"),
            Text(f"{p95:.0f} ms" if recent else "-"),
            _budget(p95, tenant),
        )
        labels = Text(_top_labels(tenant), style="dim", no_wrap=True, overflow="ellipsis")
        if wide:
            lines.append(_tenant_line(*cells, labels))
        else:
            lines += [_tenant_line(*cells), Padding(labels, (0, 0, 0, 2))]
    return Group(*lines)


def _tenant_line(*cells: Text) -> Table:
    """Columns of fixed width, so that lines of labels may stand between two of them."""
    line = Table.grid(padding=(0, 1), expand=True)
    for width in (14, 8, 7, 8, 8):
        line.add_column(width=width, justify="left" if width == 14 else "right", no_wrap=True)
    line.add_column(width=_BUDGET_CELLS + 6, no_wrap=True)
    line.add_column(no_wrap=True, ratio=1)
    line.add_row(*cells)
    return line


def _share(ratio: float) -> Text:
    return Text(f"{ratio:.1%}", style="green" if ratio >= _GOOD_SHARE else "yellow")


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
    counts = [0] * _SIZE_CLASSES
    for size, number in tally.batches.items():
        counts[min(_SIZE_CLASSES - 1, size.bit_length() - 1)] += round(number)
    return sparkline(counts, max(1, *counts))


def _mean(values: Sequence[int]) -> float:
    return sum(values) / len(values) if values else 0.0
