"""Per-key order of results: pure, no I/O."""

from collections import deque
from collections.abc import Iterable
from typing import Generic, TypeVar

R = TypeVar("R")


class KeyOrder(Generic[R]):
    """Holds a result back until the earlier records of its key have theirs.

    The batcher reorders records by deadline; a consumer of the output still sees each key's records in input order.
    Records without a key have no order.
    """

    def __init__(self) -> None:
        self._waiting: dict[bytes, deque[int]] = {}
        self._held: dict[int, R] = {}

    def __len__(self) -> int:
        """How many results are held back."""
        return len(self._held)

    def deliver(self, key: bytes | None, offset: int) -> None:
        """Register a record in input order, before its result exists."""
        if key is not None:
            self._waiting.setdefault(key, deque()).append(offset)

    def finish(self, key: bytes | None, offset: int, result: R) -> Iterable[R]:
        """Give the results that may be published now, in order: none, this one, or this one and those it held back."""
        if key is None:
            return (result,)
        self._held[offset] = result
        waiting = self._waiting[key]
        released: list[R] = []
        while waiting and waiting[0] in self._held:
            released.append(self._held.pop(waiting.popleft()))
        if not waiting:
            del self._waiting[key]
        return released
