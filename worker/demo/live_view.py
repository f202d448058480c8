"""The demo on a terminal: rates, latency against each tenant's budget, labels, dead letters, a few results. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from worker.demo.tally import Classified, Tally, TenantTally, percentiles

_BARS = " ▁▂▃▄▅▆▇█"
_FRAME_LINES = 2
_FRAME_CELLS = 4
_LABEL_CELLS = 28  # with so much room the labels stand beside their tenant instead of below
_BUDGET_CELLS = 12
_GOOD_SHARE = 0.95
_SIZE_CLASSES = 8
_GAP = "   "
_PHASE_STYLES = {"burst": "bold magenta", "catching up": "bold yellow"}
_COLUMNS = {"messages": 8, "on time": 7, "median": 8, "95% in": 8, "of budget": _BUDGET_CELLS + 6}
_DISPENSABLE = ("median", "of budget", "messages")  # in this order, where the terminal is narrow


@dataclass(frozen=True, slots=True)
class Moment:
    """Where the demo stands when it is drawn."""

    phase: str
    seconds: float
    planned_messages: int
    workers: int
    where: str  # which Kafka
    pace: str = ""  # how fast messages are sent, and why


def render(tally: Tally, moment: Moment, *, width: int, height: int) -> RenderableType:
    """One screen of at most `width` cells by `height` lines."""
    inner = width - _FRAME_CELLS
    flow, tenants = _flow(tally, moment, inner), _tenants(tally, moment.seconds, inner)
    title, dead_letters = _title(moment), _dead_letters(tally, width)
    taken = len(flow) + len(tenants) + 3 * _FRAME_LINES + len((title, dead_letters))
    latest = max(0, (height - taken) // 2)
    parts: list[RenderableType] = [
        title,
        _panel(flow, f"flow · messages a second in the last {_seconds_shown(inner)} s"),
        _panel(tenants, "tenants · latency in the last 10 s"),
        dead_letters,
    ]
    if latest:
        lines = [line for record in list(tally.latest)[-latest:] for line in _result(record, inner)]
        parts.append(_panel(lines, "latest"))
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
        f"  on time {tally.on_time_ratio:.1%}  95% within {p95:.0f} ms"
    )


def _title(moment: Moment) -> Text:
    workers = "1 worker" if moment.workers == 1 else f"{moment.workers} workers"
    return Text.assemble(
        (" gliclass-worker demo ", "bold reverse"),
        "  ",
        (moment.phase, _PHASE_STYLES.get(moment.phase, "")),
        f"  {moment.seconds:.0f} s  ",
        (f"Ctrl-C ends it · {workers} · {moment.where}", "dim"),
        no_wrap=True,
        overflow="ellipsis",
    )


def _panel(lines: Sequence[RenderableType], title: str) -> Panel:
    return Panel(Group(*lines), title=title, title_align="left", border_style="dim")


def _seconds_shown(width: int) -> int:
    return max(10, width - 30)


def _flow(tally: Tally, moment: Moment, width: int) -> list[RenderableType]:
    came_in, went_out = tally.rates(int(moment.seconds), _seconds_shown(width))
    highest = max(1, *came_in, *went_out)
    totals = f"{tally.messages_in} of {moment.planned_messages}", f"{tally.classified + tally.dead_lettered}"
    lines: list[RenderableType] = []
    for name, total, series in zip(("in", "out"), totals, (came_in, went_out), strict=True):
        figures = f"{name:<3} {total:<{max(13, *map(len, totals))}} {_mean(series[-3:]):>6.0f} /s "
        line = Text.assemble(figures, (sparkline(series, highest), "cyan"), no_wrap=True, overflow="crop")
        lines.append(line)
    sizes, again = _batch_sizes(tally), tally.remembered
    facts = [
        Text.assemble(("waiting ", "dim"), f"{tally.waiting}"),
        Text.assemble(("on time ", "dim"), _share(tally.on_time_ratio)),
        Text.assemble(("messages/batch ", "dim"), f"{tally.mean_batch_messages():.1f}"),
        Text.assemble(("batch sizes 1 ", "dim"), (sizes, "magenta"), (f" {2 ** (_SIZE_CLASSES - 1)}+", "dim")),
        Text.assemble(("same text as before, not scored again ", "dim"), f"{again}"),
        *(Text(line, style="dim") for line in wrap(moment.pace, width)),
    ]
    return [*lines, *_flowing(facts, width)]


def _flowing(phrases: Sequence[Text], width: int) -> list[RenderableType]:
    """As many phrases on a line as fit whole."""
    lines: list[Text] = []
    for phrase in phrases:
        if lines and lines[-1].cell_len + len(_GAP) + phrase.cell_len <= width:
            lines[-1] = Text.assemble(lines[-1], _GAP, phrase)
        else:
            lines.append(phrase)
    return list(lines)


def _tenants(tally: Tally, now: float, width: int) -> list[RenderableType]:
    names = max((cell_len(name) for name in tally.tenants), default=0)
    columns = dict(_COLUMNS)
    for heading in _DISPENSABLE:
        if names + sum(1 + cells for cells in columns.values()) > width:
            del columns[heading]
    room = width - names - sum(1 + cells for cells in columns.values()) - len(_GAP)
    headings = {heading: Text(heading, style="dim") for heading in columns}
    beside = room >= _LABEL_CELLS
    lines: list[RenderableType] = [_tenant_line(Text(), headings, names, "labels chosen" if beside else "")]
    for name in sorted(tally.tenants):
        tenant = tally.tenants[name]
        recent = tenant.recent_ms(now)
        p50, p95, _ = percentiles(recent)
        cells = {
            "messages": Text(f"{tenant.classified}"),
            "on time": _share(tenant.on_time / tenant.classified),
            "median": Text(f"{p50:.0f} ms" if recent else "-"),
            "95% in": Text(f"{p95:.0f} ms" if recent else "-"),
            "of budget": _budget(p95, tenant),
        }
        shown = {heading: cells[heading] for heading in columns}
        labels = [f"{label} {count}" for label, count in tenant.labels.most_common()] or ["no label"]
        if beside:
            lines.append(_tenant_line(Text(name, style="cyan"), shown, names, whole(labels, "  ", room)))
        else:
            lines.append(_tenant_line(Text(name, style="cyan"), shown, names, ""))
            lines.append(Text(f"  {whole(labels, '  ', width - 2)}", style="dim", no_wrap=True, overflow="crop"))
    return lines


def _tenant_line(name: Text, cells: Mapping[str, Text], name_cells: int, labels: str) -> Table:
    """Columns of fixed width, so that lines of labels may stand between two of them."""
    line = Table.grid(padding=(0, 1))
    line.add_column(width=name_cells, no_wrap=True)
    for heading in cells:
        justify = "left" if heading == "of budget" else "right"
        line.add_column(width=_COLUMNS[heading], justify=justify, no_wrap=True)
    line.add_column(no_wrap=True)
    line.add_row(name, *cells.values(), Text(labels, style="dim"))
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


def whole(parts: Sequence[str], separator: str, width: int) -> str:
    """As many parts as fit whole into `width` cells, and how many are left out."""
    for shown in range(len(parts), 0, -1):
        left_out = f"{separator}+{len(parts) - shown}" if shown < len(parts) else ""
        line = separator.join(parts[:shown]) + left_out
        if cell_len(line) <= width:
            return line
    return f"{len(parts)}…" if parts else ""


def _dead_letters(tally: Tally, width: int) -> Text:
    text = Text(" dead letters ", style="red", no_wrap=True, overflow="crop")
    text.append(f"{tally.dead_lettered}  ", style="bold")
    reasons = [f"{reason} {count}" for reason, count in tally.reasons.most_common()]
    return text.append(whole(reasons, "  ", width - text.cell_len), style="dim")


def _result(record: Classified, width: int) -> tuple[Text, Text]:
    said = " ".join("".join(c if c.isprintable() else "·" for c in record.text).split())
    text = Text.assemble((f"{record.tenant}  ", "cyan"), said, no_wrap=True, overflow="ellipsis")
    notes = f"  {record.latency_ms:.0f} ms" + ("  truncated" if record.truncated else "")
    labels = [f"{task}: {label} {score:.2f}" for task, label, score in record.labels]
    chosen = whole(labels, ", ", width - 4 - len(notes)) or "none"
    return text, Text.assemble(("  → ", "dim"), (chosen, "bold"), (notes, "dim"), no_wrap=True, overflow="ellipsis")


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
