"""Identical texts are scored once: recent results by content, and those in flight. Pure and bounded."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from enum import Enum
from typing import Generic, TypeVar

M = TypeVar("M")
R = TypeVar("R")


class Claim(Enum):
    """What becomes of a message whose result is not known yet."""

    LEADS = "leads"
    """It is the first with this content: score it, then say `scored` or `failed`."""
    FOLLOWS = "follows"
    """One with this content is in flight: `scored`, `failed` or `discard` hands it back."""


def duplicate_key(policy_version: str, model_digest: str, text: str) -> bytes:
    """Equal for texts that get the same result: same text under the same policy version by the same model."""
    digest = hashlib.blake2b(digest_size=16)
    for part in (policy_version, model_digest, text):
        content = part.encode("utf-8", "surrogatepass")
        digest.update(len(content).to_bytes(8, "little"))
        digest.update(content)
    return digest.digest()


@dataclass(slots=True)
class _Flight(Generic[M]):
    leader: M
    followers: list[M] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Discarded(Generic[M]):
    """What `discard` took away, and the followers that must be scored now because their leader is gone."""

    removed: list[M]
    promoted: list[M]


class Duplicates(Generic[M, R]):
    """The last `capacity` results by content, and who waits for a result in flight. A capacity of 0 switches it off.

    What is in flight is bounded by what the caller lets be in flight; only results are remembered, least recently used
    forgotten first.
    """

    def __init__(self, capacity: int) -> None:
        if capacity < 0:
            raise ValueError(f"capacity is {capacity}: give 0 to switch it off, or a number of results to remember")
        self._capacity = capacity
        self._results: OrderedDict[Hashable, R] = OrderedDict()
        self._flights: dict[Hashable, _Flight[M]] = {}
        self.recent_hits = 0
        """Messages answered from a remembered result."""
        self.in_flight_hits = 0
        """Messages that waited for the result of an identical one."""

    def __len__(self) -> int:
        return len(self._results)

    def claim(self, key: Hashable, message: M) -> R | Claim:
        """The remembered result, or whether the message is the first with this content in flight."""
        if not self._capacity:
            return Claim.LEADS
        if key in self._results:
            self._results.move_to_end(key)
            self.recent_hits += 1
            return self._results[key]
        flight = self._flights.get(key)
        if flight is None:
            self._flights[key] = _Flight(message)
            return Claim.LEADS
        flight.followers.append(message)
        self.in_flight_hits += 1
        return Claim.FOLLOWS

    def scored(self, key: Hashable, result: R) -> list[M]:
        """The leader has its result: remember it. Returns the messages that get the same."""
        if not self._capacity:
            return []
        self._results[key] = result
        self._results.move_to_end(key)
        if len(self._results) > self._capacity:
            self._results.popitem(last=False)
        return self._land(key)

    def failed(self, key: Hashable) -> list[M]:
        """The leader's text cannot be scored: remember nothing. Returns the messages with the same text."""
        return self._land(key)

    def discard(self, predicate: Callable[[M], bool]) -> Discarded[M]:
        """Take away the messages in flight for which `predicate` is true (a revoked partition's)."""
        removed: list[M] = []
        promoted: list[M] = []
        for key, flight in list(self._flights.items()):
            leaves = predicate(flight.leader)
            staying = [message for message in flight.followers if not predicate(message)]
            removed += [message for message in (flight.leader, *flight.followers) if predicate(message)]
            flight.followers = staying
            if not leaves:
                continue
            if staying:
                flight.leader = staying.pop(0)
                promoted.append(flight.leader)
            else:
                del self._flights[key]
        return Discarded(removed, promoted)

    def _land(self, key: Hashable) -> list[M]:
        flight = self._flights.pop(key, None)
        return flight.followers if flight else []
