"""A record on its way through the worker, and what becomes of it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiokafka import ConsumerRecord

from schemas.records import DeadLetterReason, Headers
from worker.content.codec import DecodedRecord
from worker.telemetry.tracing import MessageTrace

if TYPE_CHECKING:
    from model.scorer import EncodedText
    from worker.in_flight.partition import Partition
    from worker.policies.compiled import CompiledPolicy


@dataclass(slots=True, eq=False)
class Message:
    """An admitted record: decoded, policy resolved, tokenised, deadline set. Times are monotonic seconds."""

    partition: "Partition"
    record: "ConsumerRecord[bytes | None, bytes | None]"
    decoded: DecodedRecord
    policy: "CompiledPolicy"
    encoded: "EncodedText"
    duplicate_key: tuple[str, bytes]
    deadline: float
    delivered_at: float
    admitted_at: float
    trace: MessageTrace
    bound_at: float = 0.0
    scored_at: float = 0.0
    batch_messages: int = 0
    batch_tokens: int = 0
    clock_ahead_seconds: float = 0.0

    def ride(self, other: "Message") -> None:
        """Share the batch of an equal message."""
        self.bound_at, self.scored_at = max(self.admitted_at, other.bound_at), max(self.admitted_at, other.scored_at)
        self.batch_messages, self.batch_tokens = other.batch_messages, other.batch_tokens

    @property
    def offset(self) -> int:
        return self.record.offset

    @property
    def tenant(self) -> str:
        return self.policy.tenant

    @property
    def weight(self) -> float:
        return self.policy.weight

    @property
    def latency_budget_seconds(self) -> float:
        return self.policy.latency_budget_seconds

    @property
    def token_count(self) -> int:
        return self.encoded.token_count

    @property
    def squared_tokens(self) -> int:
        """What attention costs: the sum of squared lengths of the sequences."""
        return sum(len(text_pass.token_ids) ** 2 for text_pass in self.encoded.passes)


@dataclass(slots=True)
class Outgoing:
    """One record to be produced."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers
    acknowledged: bool = False


@dataclass(slots=True, eq=False)
class Result:
    """What one input record ends as: enriched records, or a dead letter. Published whole before its offset may move."""

    offset: int
    key: bytes | None
    outgoing: list[Outgoing]
    size_bytes: int
    trace: MessageTrace
    concluded_at: float
    dead_letter_reason: DeadLetterReason | None = None
    message: Message | None = None

    @property
    def acknowledged(self) -> bool:
        return all(outgoing.acknowledged for outgoing in self.outgoing)
