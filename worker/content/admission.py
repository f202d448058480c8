"""A fetched record becomes a message, or a dead letter."""

import asyncio
import hashlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Protocol

from model.long_text import LongText
from model.scorer import EncodedText, PreparedLabelSet
from schemas.records import DeadLetterReason
from worker.content.codec import RecordDecoder, RecordError
from worker.content.dead_letters import DeadLetters
from worker.content.json_values import SkippedRecordError
from worker.in_flight.message import Message, Owner, Result
from worker.in_flight.record import Record, time_or_none
from worker.policies.compiled import CompiledPolicy
from worker.telemetry.tracing import Tracing


class Encodes(Protocol):
    """What admission needs of a model; called from a thread of its own."""

    def encode(self, text: str, prepared: Sequence[PreparedLabelSet], long_text: LongText) -> EncodedText: ...


class Admission:
    """Decodes, finds the policy, tokenises and sets the deadline: all in one thread beside the event loop."""

    def __init__(
        self,
        decoder: RecordDecoder,
        policy_of: Callable[[str], CompiledPolicy | None],
        model: Encodes,
        dead_letters: DeadLetters,
        tracing: Tracing,
    ) -> None:
        self._decoder = decoder
        self._policy_of = policy_of
        self._model = model
        self._dead_letters = dead_letters
        self._tracing = tracing
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="admission")

    async def admit(self, owner: Owner, records: Sequence[Record]) -> list[Message | Result]:
        """One outcome per record, in order."""
        delivered_at = time.monotonic()
        return await asyncio.get_running_loop().run_in_executor(
            self._thread, lambda: [self.admit_one(owner, record, delivered_at) for record in records]
        )

    def admit_one(self, owner: Owner, record: Record, delivered_at: float) -> Message | Result:
        """Never raises for what a record holds: that would be delivered again for ever."""
        trace = self._tracing.start_message(record.headers, record.topic, record.partition, record.offset)
        try:
            decoded = self._decoder.decode(record.key, record.value, record.headers)
        except SkippedRecordError as skipped:
            return Result(record, (), trace, concluded_at=time.monotonic(), skip_reason=skipped.reason)
        except RecordError as error:
            if error.tenant is not None:
                trace.belongs_to(error.tenant)
            return self._dead_letters.of(record, error.reason, error.detail, trace, tenant=error.tenant)
        trace.belongs_to(decoded.tenant)
        policy = self._policy_of(decoded.tenant)
        if policy is None:
            detail = "no policy for this tenant, and no default policy"
            return self._dead_letters.of(record, DeadLetterReason.TENANT_UNKNOWN, detail, trace, tenant=decoded.tenant)
        try:
            encoded = self._model.encode(decoded.text, policy.prepared, policy.long_text)
        except Exception as error:  # whatever a tokenizer makes of a hostile text is that record's failure alone
            return self._dead_letters.of(
                record, DeadLetterReason.MODEL_ERROR, type(error).__name__, trace, tenant=decoded.tenant
            )
        begun = _begun(record, decoded.budget_starts_at_ms, time.time())
        return Message(
            owner=owner,
            record=record,
            decoded=decoded,
            policy=policy,
            encoded=encoded,
            duplicate_key=(policy.version, hashlib.blake2b(decoded.text.encode(), digest_size=16).digest()),
            deadline=time.monotonic() - begun.age_seconds + policy.latency_budget_seconds,
            delivered_at=delivered_at,
            admitted_at=time.monotonic(),
            trace=trace,
            clock_ahead_seconds=begun.ahead_seconds,
            impossible_time_ms=begun.impossible_ms,
        )

    def condemn(self, record: Record, detail: str) -> Result:
        """The dead letter of a record that ended the process again and again; nothing of it is read."""
        trace = self._tracing.start_message(record.headers, record.topic, record.partition, record.offset)
        return self._dead_letters.of(record, DeadLetterReason.CRASHED_WORKER, detail, trace)

    def refuse(self, result: Result, detail: str) -> Result:
        """The dead letter of a record whose enriched record the brokers refuse."""
        reason = DeadLetterReason.PUBLISH_REFUSED
        return self._dead_letters.of(
            result.record, reason, detail, result.trace, tenant=result.tenant, message=result.message
        )

    def close(self) -> None:
        """Let the record that is being admitted end, and take no more."""
        self._thread.shutdown(wait=False, cancel_futures=True)


class _Begun(NamedTuple):
    """How long a latency budget runs already, how far ahead the record's clock was, and a time that cannot be."""

    age_seconds: float
    ahead_seconds: float = 0.0
    impossible_ms: int | None = None


def _begun(record: Record, starts_at_ms: int | None, now_seconds: float) -> _Begun:
    """The budget runs from where the record says, or else from Kafka's timestamp.

    From now where there is neither (-1, 0), where it cannot be right, and where a clock that is ahead puts it into the
    future.
    """
    impossible_ms: int | None = None
    for timestamp_ms in (starts_at_ms, record.timestamp):
        if timestamp_ms is None or timestamp_ms <= 0:
            continue
        if time_or_none(timestamp_ms, 1000 * now_seconds) is not None:
            age_seconds = now_seconds - timestamp_ms / 1000
            return _Begun(max(0.0, age_seconds), max(0.0, -age_seconds), impossible_ms)
        impossible_ms = impossible_ms or timestamp_ms
    return _Begun(0.0, 0.0, impossible_ms)
