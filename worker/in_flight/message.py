"""A message on its way through the worker, who waits for it, and what becomes of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from schemas.records import DeadLetterReason
from worker.in_flight.outgoing import Outgoing
from worker.in_flight.record import Record, bytes_in_memory
from worker.telemetry.tracing import MessageTrace

if TYPE_CHECKING:
    from model.prompt import EncodedText
    from worker.batching.batch import Batch
    from worker.policies.compiled import CompiledPolicy


class Owner(Protocol):
    """Whoever brought a message and waits for its result: a partition assignment, for one."""

    @property
    def may_conclude(self) -> bool:
        """Whether a result may still be handed over; once it may not, it never may again."""
        ...

    def conclude(self, result: "Result") -> None:
        """Take the result of one of its messages."""
        ...

    def give_back(self, message: "Message") -> None:
        """The message will have no result: it has to be brought again."""
        ...


@dataclass(frozen=True, slots=True)
class DecodedRecord:
    """What the mapping found. `payload` is JSON, ready to be put into the output record; None where none is wanted.

    `replayed_at_ms`: when a replay sent it again.
    """

    text: str
    tenant: str
    id: str | None
    event_time_ms: int | None
    payload: bytes | None
    replaced_characters: int
    replayed_at_ms: int | None = None

    @property
    def budget_starts_at_ms(self) -> int | None:
        """Where the latency budget begins; None: at Kafka's timestamp. A replay keeps the record's own old time."""
        return self.event_time_ms if self.replayed_at_ms is None else self.replayed_at_ms


@dataclass(slots=True, eq=False)
class Message:
    """An admitted record: decoded, policy resolved, tokenised, deadline set. Times are monotonic seconds."""

    owner: Owner
    record: Record
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
    impossible_time_ms: int | None = None
    """A time of the record's that was left out, as nothing can have been written then."""

    def bind(self, batch: "Batch[Message]", now: float) -> None:
        """The message goes to the device in this batch."""
        self.bound_at = now
        self.batch_messages = len(batch.messages)
        self.batch_tokens = batch.token_count

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


@dataclass(slots=True, eq=False)
class Result:
    """What one input record ends as: enriched records, or a dead letter. Published whole before its offset may move."""

    record: Record
    outgoing: Sequence[Outgoing]
    trace: MessageTrace
    concluded_at: float
    dead_letter_reason: DeadLetterReason | None = None
    message: Message | None = None
    tenant: str | None = None
    """Whose record it is, as far as that is known."""
    skip_reason: str | None = None
    """Why the record was passed over: then nothing goes out."""
    size_bytes: int = field(init=False)

    def __post_init__(self) -> None:
        self.size_bytes = bytes_in_memory(self.record)

    @classmethod
    def of(cls, message: Message, outgoing: Sequence[Outgoing], *, concluded_at: float) -> "Result":
        """The enriched records of a message."""
        return cls(message.record, outgoing, message.trace, concluded_at, message=message, tenant=message.tenant)

    @property
    def offset(self) -> int:
        return self.record.offset

    @property
    def key(self) -> bytes | None:
        return self.record.key

    @property
    def acknowledged(self) -> bool:
        return all(outgoing.acknowledged for outgoing in self.outgoing)
