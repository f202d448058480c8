"""The messages that wait for a batch: per tenant in order of urgency, and those that can no longer be in time."""

import heapq
import math
from bisect import insort
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, count
from operator import attrgetter
from typing import Generic, NamedTuple, Protocol, TypeVar


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


_by_rank = attrgetter("rank", "number")


class Indexed(NamedTuple):
    """A tenant in the index. It counts while its number is that of the tenant's first message."""

    rank: float
    number: int
    tenant: str


class Late(NamedTuple, Generic[M]):
    """A late message in the order of record timestamps."""

    timestamp: float
    number: int
    queued: Queued[M]


class Turn(Generic[M]):
    """One tenant's messages that may be in time, most urgent first; nobody else finds the tenant until `end`."""

    __slots__ = ("_queue", "_waiting", "tenant")

    def __init__(self, waiting: "Waiting[M]", tenant: str, queue: deque[Queued[M]]) -> None:
        self.tenant = tenant
        self._waiting = waiting
        self._queue = queue

    @property
    def next(self) -> Queued[M] | None:
        """The message that is the tenant's next; None when it has none left."""
        return self._queue[0] if self._queue else None

    def take(self) -> None:
        """The next message waits no longer."""
        self._waiting.forget(self._queue.popleft())

    def demote(self) -> None:
        """The next message can no longer be in time: it waits among the late ones from now on."""
        self._waiting.add_late(self._queue.popleft())

    def end(self) -> None:
        """Let the tenant be found again, if it has a message left."""
        self._waiting.end_turn(self.tenant)


class Waiting(Generic[M]):
    """Each tenant's messages by rank, an index of the tenants by their first rank, and the late messages by timestamp.

    Entries of the index are never removed in place; totals are kept with every step. All operations are amortised
    O(log n), except `discard`, `take_all` and `earliest_deadline`, which are linear.
    """

    def __init__(self) -> None:
        self._tenants: dict[str, deque[Queued[M]]] = {}
        self._index: list[Indexed] = []
        self._indexed_numbers: set[int] = set()
        self._having_turns: set[str] = set()
        self._late: list[Late[M]] = []
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
        return [queue[0] for queue in self._tenants.values()]

    def earliest_deadline(self) -> float:
        """The earliest deadline of all that may be in time; infinite when there is none."""
        return min((queued.deadline for queued in chain.from_iterable(self._tenants.values())), default=math.inf)

    def add(
        self, message: M, tenant: str, *, rank: float, token_count: int, squared_tokens: int, droppable: bool = False
    ) -> bool:
        """Let a message wait; true if its tenant had none that may be in time."""
        deadline = message.deadline
        queued = Queued(
            message=message,
            number=next(self._numbers),
            tenant=tenant,
            weight=message.weight,
            deadline=deadline,
            rank=rank,
            timestamp=deadline - message.latency_budget_seconds,
            token_count=token_count,
            squared_tokens=squared_tokens,
            droppable=droppable,
        )
        self.messages += 1
        self.token_count += token_count
        self.squared_tokens += squared_tokens
        queue = self._tenants.get(tenant)
        if queue is None:
            self._tenants[tenant] = deque((queued,))
            self._put_into_index(queued)
            return True
        if rank >= queue[-1].rank:
            queue.append(queued)
        else:
            insort(queue, queued, key=_by_rank)
            if queue[0] is queued:
                self._put_into_index(queued)
        return False

    def next_rank(self) -> float:
        """The lowest rank among the tenants that have no turn; infinite when there is none."""
        while self._index:
            rank, number, tenant = self._index[0]
            queue = self._tenants.get(tenant)
            if queue and queue[0].number == number and tenant not in self._having_turns:
                return rank
            self._pop_index()
        return math.inf

    def begin_turn(self) -> Turn[M]:
        """The turn of the tenant whose rank `next_rank` gave."""
        tenant = self._pop_index()
        self._having_turns.add(tenant)
        return Turn(self, tenant, self._tenants[tenant])

    def end_turn(self, tenant: str) -> None:
        """See `Turn.end`."""
        self._having_turns.discard(tenant)
        if queue := self._tenants[tenant]:
            self._put_into_index(queue[0])
        else:
            del self._tenants[tenant]

    def forget(self, queued: Queued[M]) -> None:
        """Take a message that waits no longer out of the totals."""
        self.messages -= 1
        self.token_count -= queued.token_count
        self.squared_tokens -= queued.squared_tokens

    def add_late(self, queued: Queued[M]) -> None:
        """Count a message that still waits as late."""
        self.late_token_count += queued.token_count
        self.late_squared_tokens += queued.squared_tokens
        heapq.heappush(self._late, Late(queued.timestamp, queued.number, queued))

    def oldest_late(self) -> Queued[M] | None:
        """The late message with the earliest record timestamp."""
        return self._late[0].queued if self._late else None

    def take_oldest_late(self) -> None:
        """The message that `oldest_late` shows waits no longer."""
        queued = heapq.heappop(self._late).queued
        self.late_token_count -= queued.token_count
        self.late_squared_tokens -= queued.squared_tokens
        self.forget(queued)

    def take_all(self) -> list[Queued[M]]:
        """Take away everything that waits: the late, then the others by rank."""
        everything = [late.queued for late in self._late]
        everything += sorted(chain.from_iterable(self._tenants.values()), key=_by_rank)
        self._refill([], [])
        return everything

    def discard(self, predicate: Callable[[M], bool]) -> list[M]:
        """Take away the messages for which `predicate` is true, in order of arrival."""
        late = [each.queued for each in self._late]
        others = list(chain.from_iterable(self._tenants.values()))
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
        self._late = [Late(queued.timestamp, queued.number, queued) for queued in late]
        heapq.heapify(self._late)
        self._tenants, self._index, self._indexed_numbers = {}, [], set()
        for queued in others:
            self._tenants.setdefault(queued.tenant, deque()).append(queued)
        for queue in self._tenants.values():
            self._put_into_index(queue[0])

    def _put_into_index(self, first: Queued[M]) -> None:
        if first.number not in self._indexed_numbers:
            self._indexed_numbers.add(first.number)
            heapq.heappush(self._index, Indexed(first.rank, first.number, first.tenant))

    def _pop_index(self) -> str:
        _, number, tenant = heapq.heappop(self._index)
        self._indexed_numbers.discard(number)
        return tenant
