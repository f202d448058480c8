"""Scores become an enriched record, or a dead letter."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from schemas import records
from schemas.policy import ANY_LABEL
from schemas.records import DeadLetterReason, EnrichedRecord, SourceCoordinates, TaskResult
from worker.content.codec import encode_enriched, merge_headers, record_id
from worker.content.dead_letters import DeadLetters
from worker.content.decision import decide
from worker.device.thread import TaskLogits
from worker.in_flight.message import Message, Result
from worker.in_flight.outgoing import Outgoing
from worker.in_flight.record_limits import RecordLimits
from worker.policies.compiled import CompiledPolicy


class Enrichment:
    """Builds what is published of a scored message.

    The value is a function of input, policy and model; whatever varies from one delivery to the next goes into headers.
    """

    def __init__(
        self, output_topic: str, model_digest: str, dead_letters: DeadLetters, record_limits: RecordLimits
    ) -> None:
        self._output_topic = output_topic
        self._model_digest = model_digest
        self._dead_letters = dead_letters
        self._record_limits = record_limits
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="enrichment")

    async def results(
        self, messages: Sequence[Message], outcomes: Sequence[TaskLogits | Exception], now: float
    ) -> list[Result]:
        """The results of scored messages, made beside the event loop: they cost it a third of its time otherwise."""
        return await asyncio.get_running_loop().run_in_executor(
            self._thread, lambda: [self.result(*scored, now) for scored in zip(messages, outcomes, strict=True)]
        )

    def close(self) -> None:
        """Let the result that is being made end, and make no more."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def result(self, message: Message, outcome: TaskLogits | Exception, now: float) -> Result:
        """The result of a message whose pass on the device ended with logits, or with this error."""
        if isinstance(outcome, Exception):
            return self._model_error(message, outcome)
        try:
            tasks = decide(message.policy, outcome)
        except ValueError as error:
            return self._model_error(message, error)
        topics = (self._output_topic, *_routed(message.policy, tasks))
        return self._published(message, self._record(message, tasks), topics, now)

    def late(self, message: Message, now: float) -> Result:
        """The result of a message that its policy does not want scored once it is late."""
        if message.policy.policy.on_late == "dead_letter":
            detail = f"past its latency budget of {message.latency_budget_seconds:g} s"
            return self._dead_letter(message, DeadLetterReason.LATE, detail)
        record = self._record(message, {}).model_copy(update={"unscored": "late"})
        return self._published(message, record, (self._output_topic,), now)

    def _published(self, message: Message, record: EnrichedRecord, topics: Iterable[str], now: float) -> Result:
        headers = self._headers(message, now)
        value = encode_enriched(record)
        outgoing: list[Outgoing] = []
        for topic in topics:
            limit = self._record_limits.of(topic)
            if message.record.key is None and self._record_limits.demands_key(topic):
                detail = f"the record has no key; topic {topic!r} demands one (cleanup.policy=compact)"
                return self._dead_letter(message, DeadLetterReason.PUBLISH_REFUSED, detail)
            fitting = Outgoing(topic, message.record.key, value, headers)
            if fitting.wire_bytes > limit:
                smaller = record.model_copy(update={"payload": None, "payload_omitted": "too_large"})
                fitting = Outgoing(topic, message.record.key, encode_enriched(smaller), headers)
            if (size := fitting.wire_bytes) > limit:
                detail = f"{size} bytes without the payload; topic {topic!r} takes {limit}"
                return self._dead_letter(message, DeadLetterReason.OUTPUT_TOO_LARGE, detail)
            outgoing.append(fitting)
        return Result.of(message, outgoing, concluded_at=time.monotonic())

    def _record(self, message: Message, tasks: dict[str, TaskResult]) -> EnrichedRecord:
        record, decoded = message.record, message.decoded
        source = SourceCoordinates(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            timestamp_ms=record.timestamp,
            id=decoded.id,
            event_time_ms=decoded.event_time_ms,
        )
        return EnrichedRecord(
            record_id=record_id(source),
            tenant=decoded.tenant,
            source=source,
            policy_version=message.policy.version,
            model_digest=self._model_digest,
            tasks=tasks,
            truncated_tokens=message.encoded.truncated_token_count,
            replaced_characters=decoded.replaced_characters,
            payload=decoded.payload,
        )

    def _headers(self, message: Message, now: float) -> records.Headers:
        latency_seconds = now - message.deadline + message.latency_budget_seconds
        ours = {
            records.HEADER_LATENCY_MS: f"{latency_seconds * 1000:.0f}",
            records.HEADER_LATE: "1" if now > message.deadline else "0",
            records.HEADER_BUDGET_MS: f"{message.latency_budget_seconds * 1000:.0f}",
            records.HEADER_BATCH_MESSAGES: str(message.batch_messages),
            records.HEADER_BATCH_TOKENS: str(message.batch_tokens),
        }
        return message.trace.replace_in(merge_headers(message.record.headers, ours))

    def _model_error(self, message: Message, error: Exception) -> Result:
        # The class alone: the message of an exception may quote the text.
        return self._dead_letter(message, DeadLetterReason.MODEL_ERROR, type(error).__qualname__)

    def _dead_letter(self, message: Message, reason: DeadLetterReason, detail: str) -> Result:
        return self._dead_letters.of(
            message.record, reason, detail, message.trace, tenant=message.decoded.tenant, message=message
        )


def _routed(policy: CompiledPolicy, tasks: Mapping[str, TaskResult]) -> list[str]:
    """The further topics that get a copy, each once."""
    topics: list[str] = []
    for route in policy.policy.routes:
        chosen = {scored.label for scored in tasks[route.task].labels}
        if (route.label in chosen or (route.label == ANY_LABEL and chosen)) and route.topic not in topics:
            topics.append(route.topic)
    return topics
