"""What went in, what came out, how late, and above all whether anything is missing or came twice. Pure."""

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

Source = tuple[int, int]
"""Partition and offset of an input record."""

_RECENT_SECONDS = 10.0
_RECENT_RECORDS = 6


@dataclass(frozen=True, slots=True)
class Classified:
    """One record of the output topics, as far as the demo looks at it."""

    topic: str
    source: Source
    tenant: str
    latency_ms: float
    budget_ms: float
    late: bool
    batch_messages: int  # 0: an equal text was scored before
    labels: tuple[tuple[str, str, float], ...]  # task, label, score
    text: str
    truncated: bool


@dataclass(slots=True)
class TenantTally:
    """One tenant's results; latencies of all time and of the last seconds."""

    budget_ms: float = 0.0
    classified: int = 0
    on_time: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    latencies_ms: list[float] = field(default_factory=list)
    recent: deque[tuple[float, float]] = field(default_factory=deque)  # seconds, latency in ms

    def recent_ms(self, now: float) -> list[float]:
        """Latencies of the last ten seconds."""
        while self.recent and self.recent[0][0] < now - _RECENT_SECONDS:
            self.recent.popleft()
        return [latency for _, latency in self.recent]


class Tally:
    """Counts from both ends. Times are seconds since the start of the stream."""

    def __init__(self) -> None:
        self.classified = 0
        self.dead_lettered = 0
        self.duplicates = 0
        self.on_time = 0
        self.remembered = 0  # results of an equal text, published without scoring it again
        self.tenants: defaultdict[str, TenantTally] = defaultdict(TenantTally)
        self.reasons: Counter[str] = Counter()
        self.routed: Counter[str] = Counter()  # topic -> copies
        self.batches: defaultdict[int, float] = defaultdict(float)  # batch size -> number of batches
        self.latest: deque[Classified] = deque(maxlen=_RECENT_RECORDS)
        self.in_per_second: Counter[int] = Counter()
        self.out_per_second: Counter[int] = Counter()
        self.first_out: float | None = None
        self.last_out = 0.0
        self._inputs: set[Source] = set()
        self._seen: set[Source] = set()
        self._routed: set[tuple[str, Source]] = set()
        self._waiting: set[Source] = set()

    @property
    def messages_in(self) -> int:
        """Input records that the broker acknowledged."""
        return len(self._inputs)

    @property
    def waiting(self) -> int:
        """Acknowledged inputs neither classified nor dead-lettered so far; what is left at the end is lost."""
        return len(self._waiting)

    @property
    def on_time_ratio(self) -> float:
        """Share of the classified records within their budget; 1 when there are none."""
        return self.on_time / self.classified if self.classified else 1.0

    @property
    def latencies_ms(self) -> list[float]:
        return [latency for tenant in self.tenants.values() for latency in tenant.latencies_ms]

    def acknowledged(self, source: Source, now: float) -> None:
        """An input record is in Kafka. Its result may have been seen before: acknowledgements overtake nothing."""
        self._inputs.add(source)
        self.in_per_second[int(now)] += 1
        if source not in self._seen:
            self._waiting.add(source)

    def record_classified(self, record: Classified, now: float) -> None:
        if not self._first(record.source, now):
            return
        self.classified += 1
        self.on_time += not record.late
        if record.batch_messages:
            self.batches[record.batch_messages] += 1 / record.batch_messages
        else:
            self.remembered += 1
        self.latest.append(record)
        tenant = self.tenants[record.tenant]
        tenant.budget_ms = record.budget_ms
        tenant.classified += 1
        tenant.on_time += not record.late
        tenant.labels.update(label for _, label, _ in record.labels)
        tenant.latencies_ms.append(record.latency_ms)
        tenant.recent.append((now, record.latency_ms))

    def record_dead_lettered(self, source: Source, reason: str, now: float) -> None:
        if self._first(source, now):
            self.dead_lettered += 1
            self.reasons[reason] += 1

    def record_routed(self, topic: str, source: Source) -> None:
        """The copy of a classified record on a topic its tenant's routes name."""
        if (topic, source) in self._routed:
            self.duplicates += 1
        else:
            self._routed.add((topic, source))
            self.routed[topic] += 1

    def mean_batch_messages(self) -> float:
        """Messages per batch; 0 before the first one."""
        batches = sum(self.batches.values())
        return sum(size * count for size, count in self.batches.items()) / batches if batches else 0.0

    def rates(self, second: int, seconds: int) -> tuple[list[int], list[int]]:
        """Messages in and out in each of the last `seconds` whole seconds before `second`."""
        span = range(second - seconds, second)
        return [self.in_per_second[s] for s in span], [self.out_per_second[s] for s in span]

    def _first(self, source: Source, now: float) -> bool:
        if source in self._seen:
            self.duplicates += 1
            return False
        self._seen.add(source)
        self._waiting.discard(source)
        self.out_per_second[int(now)] += 1
        if self.first_out is None:
            self.first_out = now
        self.last_out = now
        return True


def percentiles(values: Iterable[float], points: Sequence[int] = (50, 95, 99)) -> list[float]:
    """Nearest-rank percentiles; zeros without values."""
    ordered = sorted(values)
    if not ordered:
        return [0.0] * len(points)
    return [ordered[max(0, -(-len(ordered) * point // 100) - 1)] for point in points]
