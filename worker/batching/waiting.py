"""The messages that wait for a batch: per tenant in order of urgency, and those that can no longer be in time."""

import heapq
import math
from bisect import insort
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, count
from typing import Generic, Protocol, TypeVar


class Batchable(Protocol):
    """What the batcher needs to know of a message; each is read once, when the message is added."""

    @property
    def tenant(self) -> str:
        """Whose share of the device it uses."""
        ...

    @property
    def weight(self) -> float:
        """The tenant's share relative to others; above 0."""
        ...

    @property
    def deadline(self) -> float:
        """Monotonic seconds at which its result should be out."""
        ...

    @property
    def latency_budget_seconds(self) -> float:
        """What the tenant allows from record timestamp to deadline."""
        ...

    @property
    def token_count(self) -> int:
        """Device tokens, over all its sequences."""
        ...

    @property
    def squared_tokens(self) -> int:
        """Sum of the squared lengths of its sequences."""
        ...


M = TypeVar("M", bound=Batchable)


@dataclass(slots=True, eq=False)
class Queued(Generic[M]):
    """A waiting message and what was read of it."""

    message: M
    number: int
    tenant: str
    weight: float
    deadline: float
    rank: float
    timestamp: float
    token_count: int
    squared_tokens: int
    droppable: bool


Entry = tuple[float, int, Queued[M]]


class Waiting(Generic[M]):
    """Each tenant's messages by rank, an index of the tenants by their first rank, and the late messages by timestamp.

    Entries of the index are never removed in place: one counts while its number is that of the tenant's first message.
    All operations are amortised O(log n), except `discard`, `take_all` and `earliest_deadline`, which are linear.
    """

    def __init__(self) -> None:
        self._tenants: dict[str, deque[Entry[M]]] = {}
        self._by_rank: list[tuple[float, int, str]] = []
        self._indexed: set[int] = set()
        self._out: set[str] = set()
        self._late: list[Entry[M]] = []
        self._numbers = count()
        self.messages = 0
        self.token_count = 0
        self.squared_tokens = 0
        self.late_token_count = 0
        self.late_squared_tokens = 0

    @property
    def tenants(self) -> Iterator[str]:
        """Tenants with messages that may be in time."""
        return iter(self._tenants)

    @property
    def late_messages(self) -> int:
        """Messages that wait and can no longer be in time."""
        return len(self._late)

    def heads(self) -> list[Queued[M]]:
        """The first message of each tenant that has any that may be in time."""
        return [queue[0][2] for queue in self._tenants.values()]

    def earliest_deadline(self) -> float:
        """The earliest deadline of all that may be in time; infinite when there is none."""
        entries = chain.from_iterable(self._tenants.values())
        return min((entry[2].deadline for entry in entries), default=math.inf)

    def add(
        self, message: M, tenant: str, rank: float, token_count: int, squared_tokens: int, droppable: bool = False
    ) -> bool:
        """Let a message wait; true if its tenant had none that may be in time."""
        number, weight, deadline = next(self._numbers), message.weight, message.deadline
        timestamp = deadline - message.latency_budget_seconds
        queued = Queued(
            message, number, tenant, weight, deadline, rank, timestamp, token_count, squared_tokens, droppable
        )
        self.messages += 1
        self.token_count += token_count
        self.squared_tokens += squared_tokens
        entry = (rank, number, queued)
        queue = self._tenants.get(tenant)
        if queue is None:
            self._tenants[tenant] = deque((entry,))
            self._index(rank, number, tenant)
            return True
        if rank >= queue[-1][0]:
            queue.append(entry)
        else:
            insort(queue, entry)
            if queue[0] is entry:
                self._index(rank, number, tenant)
        return False

    def next_rank(self) -> float:
        """The lowest rank among the tenants in the index; infinite when there is none."""
        while self._by_rank:
            rank, number, tenant = self._by_rank[0]
            queue = self._tenants.get(tenant)
            if queue and queue[0][1] == number and tenant not in self._out:
                return rank
            self._unindex()
        return math.inf

    def pop_first(self) -> str:
        """Take the tenant that `next_rank` found out of the index. The caller takes messages from the left of its
        queue, says `taken`, and puts the tenant back or, if its queue is empty, forgets it."""
        tenant = self._unindex()
        self._out.add(tenant)
        return tenant

    def queue(self, tenant: str) -> deque[Entry[M]]:
        """A tenant's messages by rank."""
        return self._tenants[tenant]

    def put_back(self, tenant: str) -> None:
        """Put the tenant into the index again."""
        self._out.discard(tenant)
        rank, number, _ = self._tenants[tenant][0]
        self._index(rank, number, tenant)

    def forget(self, tenant: str) -> None:
        """The tenant has no message left that may be in time."""
        self._out.discard(tenant)
        del self._tenants[tenant]

    def taken(self, messages: int, token_count: int, squared_tokens: int) -> None:
        """The caller took these out of a queue."""
        self.messages -= messages
        self.token_count -= token_count
        self.squared_tokens -= squared_tokens

    def demote(self, queued: Queued[M]) -> None:
        """Count a message that the caller took out of its queue as late."""
        self.late_token_count += queued.token_count
        self.late_squared_tokens += queued.squared_tokens
        heapq.heappush(self._late, (queued.timestamp, queued.number, queued))

    def oldest_late(self) -> Queued[M] | None:
        """The late message with the earliest record timestamp."""
        return self._late[0][2] if self._late else None

    def pop_oldest_late(self) -> None:
        """Take away the message that `oldest_late` shows; the caller says `taken`."""
        queued = heapq.heappop(self._late)[2]
        self.late_token_count -= queued.token_count
        self.late_squared_tokens -= queued.squared_tokens

    def take_all(self) -> list[Queued[M]]:
        """Take away everything that waits: the late, then the others by rank."""
        everything = [entry[2] for entry in self._late]
        everything += [entry[2] for entry in sorted(chain.from_iterable(self._tenants.values()))]
        self._refill([], [])
        return everything

    def discard(self, predicate: Callable[[M], bool]) -> list[M]:
        """Take away the messages for which `predicate` is true, in order of arrival."""
        late = [entry[2] for entry in self._late]
        others = [entry[2] for entry in chain.from_iterable(self._tenants.values())]
        gone = {queued.number: queued.message for queued in chain(late, others) if predicate(queued.message)}
        if gone:
            self._refill([q for q in late if q.number not in gone], [q for q in others if q.number not in gone])
        return [gone[number] for number in sorted(gone)]

    def _refill(self, late: list[Queued[M]], others: list[Queued[M]]) -> None:
        self.late_token_count = sum(queued.token_count for queued in late)
        self.late_squared_tokens = sum(queued.squared_tokens for queued in late)
        self.messages = len(late) + len(others)
        self.token_count = self.late_token_count + sum(queued.token_count for queued in others)
        self.squared_tokens = self.late_squared_tokens + sum(queued.squared_tokens for queued in others)
        self._late = [(queued.timestamp, queued.number, queued) for queued in late]
        heapq.heapify(self._late)
        self._tenants, self._by_rank, self._indexed = {}, [], set()
        for queued in others:
            self._tenants.setdefault(queued.tenant, deque()).append((queued.rank, queued.number, queued))
        for tenant in self._tenants:
            self.put_back(tenant)

    def _index(self, rank: float, number: int, tenant: str) -> None:
        if number not in self._indexed:
            self._indexed.add(number)
            heapq.heappush(self._by_rank, (rank, number, tenant))

    def _unindex(self) -> str:
        _, number, tenant = heapq.heappop(self._by_rank)
        self._indexed.discard(number)
        return tenant
