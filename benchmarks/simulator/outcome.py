"""What is said of one simulated run."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from benchmarks.simulator.engine import Device, Run
from benchmarks.simulator.workloads import SimulatedMessage


@dataclass(frozen=True, slots=True)
class Outcome:
    """Percentages are of all messages that were sent, dropped ones included."""

    on_time_percent: float
    late_percent: float
    dropped_percent: float
    lost: int
    p50_ms: float
    p99_ms: float
    efficiency: float
    """Tokens per busy device second, relative to the offline maximum."""
    on_time_percent_by_tenant: dict[str, float]


def outcome(runs: list[Run], device: Device) -> Outcome:
    """Of several runs together; latency counts from the intended arrival of what was scored."""
    messages = [message for run in runs for message in run.messages]
    latencies = sorted(m.finished - m.arrival for m in messages if m.finished < float("inf"))
    tokens = sum(m.token_count for m in messages if m.finished < float("inf"))
    busy = sum(run.busy_seconds for run in runs)
    tenants = {tenant: [m for m in messages if m.tenant == tenant] for tenant in sorted({m.tenant for m in messages})}
    return Outcome(
        on_time_percent=on_time_percent(messages),
        late_percent=_percent(messages, lambda m: m.deadline < m.finished < float("inf")),
        dropped_percent=_percent(messages, lambda m: m.dropped),
        lost=sum(m.finished == float("inf") and not m.dropped for m in messages),
        p50_ms=1000 * latencies[len(latencies) // 2] if latencies else 0.0,
        p99_ms=1000 * latencies[int(0.99 * len(latencies))] if latencies else 0.0,
        efficiency=tokens / busy / device.offline_tokens_per_second if busy else 0.0,
        on_time_percent_by_tenant={tenant: on_time_percent(own) for tenant, own in tenants.items()},
    )


def on_time_percent(messages: Iterable[SimulatedMessage]) -> float:
    """Share whose result was out by the deadline."""
    return _percent(list(messages), lambda message: message.on_time)


def _percent(messages: list[SimulatedMessage], holds: Callable[[SimulatedMessage], bool]) -> float:
    return 100 * sum(map(holds, messages)) / len(messages) if messages else 0.0
