"""Records that leave the worker: enriched records, dead letters, and the headers of both."""

from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

HEADER_LATENCY_MS = "gliclass-latency-ms"
HEADER_LATE = "gliclass-late"
HEADER_BUDGET_MS = "gliclass-budget-ms"
HEADER_BATCH_MESSAGES = "gliclass-batch-messages"
HEADER_BATCH_TOKENS = "gliclass-batch-tokens"
HEADER_TRACEPARENT = "traceparent"
HEADER_TRACESTATE = "tracestate"

HEADER_REASON = "gliclass-reason"
HEADER_ERROR = "gliclass-error"
HEADER_TENANT = "gliclass-tenant"
HEADER_SOURCE_TOPIC = "gliclass-source-topic"
HEADER_SOURCE_PARTITION = "gliclass-source-partition"
HEADER_SOURCE_OFFSET = "gliclass-source-offset"
HEADER_SOURCE_TIMESTAMP_MS = "gliclass-source-timestamp-ms"
HEADER_DEAD_LETTERED_AT_MS = "gliclass-dead-lettered-at-ms"
HEADER_VALUE_NULL = "gliclass-value-null"
"""Set to "1" on a dead letter whose source had neither key nor value: it has an empty value, as none can be sent."""

HEADER_VALUE_OMITTED_BYTES = "gliclass-value-omitted-bytes"
"""Size of a source value that the dead-letter topic's limit left no room for: look it up at its source coordinates."""

HEADER_REPLACED_HEADERS = "gliclass-replaced-headers"
"""Headers of the source that had names of ours: a JSON list of [index, name, value in Base64 or null]."""

HEADER_REPLAYED_FROM = "gliclass-replayed-from"
"""On a replayed record: topic-partition-offset of the dead letter it was."""

HEADER_REPLAYED_AT_MS = "gliclass-replayed-at-ms"
HEADER_REPLAYS = "gliclass-replays"
"""On a replayed record: how often it was replayed, this time included."""

HEADER_ORIGINAL_TIMESTAMP_MS = "gliclass-original-timestamp-ms"
"""On a replayed record whose own timestamp its topic would refuse, or delete at once."""

Headers = list[tuple[str, bytes | None]]


class DeadLetterReason(StrEnum):
    """Why a record could not be classified; closed, so that a consumer may switch on it."""

    VALUE_EMPTY = "value_empty"
    """The value is null (a tombstone) or has no bytes."""
    INVALID_UTF8 = "invalid_utf8"
    INVALID_JSON = "invalid_json"
    """Not JSON (NaN and Infinity included), or nested too deeply."""
    TEXT_MISSING = "text_missing"
    """None of the mapped text fields is there, or each is null."""
    TEXT_NOT_A_STRING = "text_not_a_string"
    TEXT_EMPTY = "text_empty"
    """Nothing but white space and control characters."""
    TEXT_TOO_LARGE = "text_too_large"
    TENANT_MISSING = "tenant_missing"
    """The record does not say whose it is."""
    TENANT_UNKNOWN = "tenant_unknown"
    """No policy for this tenant, and no default policy."""
    MODEL_ERROR = "model_error"
    """The model failed on this record alone."""
    CRASHED_WORKER = "crashed_worker"
    """In flight in three successive crashes of a worker, in two of them alone; it was not scored again."""
    OUTPUT_TOO_LARGE = "output_too_large"
    """The enriched record exceeds the output topic's limit."""
    PUBLISH_REFUSED = "publish_refused"
    """The brokers refuse the enriched record for what it is, as one without a key on a compacted topic."""
    LATE = "late"
    """Past its deadline, and the tenant's policy asks for a dead letter then."""


class _OutputModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SourceCoordinates(_OutputModel):
    """Where the input record lies."""

    topic: str
    partition: int = Field(ge=0)
    offset: int = Field(ge=0)
    timestamp_ms: int = Field(description="Kafka's timestamp of the input record, as it was: may be -1 or 0.")
    id: str | None = Field(default=None, description="The record's own id, where the input mapping names one.")
    event_time_ms: int | None = Field(
        default=None, description="The record's own time; null where it is not mapped or could not be read."
    )


class LabelScore(_OutputModel):
    label: str
    score: float = Field(ge=0, le=1, description="Rounded to 4 decimals.")


Scores = dict[str, Any]
"""label -> score; for a hierarchy nested: branch -> {leaf -> score}."""


class TaskResult(_OutputModel):
    """The decision of one task on one text."""

    mode: Literal["single", "multi"]
    labels: list[LabelScore] = Field(description="The labels that reached their threshold, best first.")
    none: bool = Field(description="True when no label reached its threshold.")
    scores: Scores | None = Field(
        default=None, description="Every label's score, nested for a hierarchy; only where the task asks for all."
    )


class EnrichedRecord(_OutputModel):
    """The value of an output record: a function of the input record, the policy and the model, nothing else.

    Keys that are null by default are left out of the JSON.
    """

    record_id: str = Field(description="topic-partition-offset of the input record: a duplicate has the same.")
    tenant: str
    source: SourceCoordinates
    policy_version: str = Field(description="Hash of the content of the tenant's policy.")
    model_digest: str = Field(description="Hash of the model's weights, configuration and tokenizer.")
    tasks: dict[str, TaskResult]
    truncated_tokens: int = Field(default=0, ge=0, description="Tokens of the text that the model did not read.")
    replaced_characters: int = Field(
        default=0, ge=0, description="Halves of surrogate pairs that were replaced by U+FFFD in text and payload."
    )
    unscored: Literal["late"] | None = Field(
        default=None, description="Set when the record was let through without scores, as its policy asks."
    )
    payload: Any = Field(default=None, description="The input value: whole, chosen fields, or left out.")
    payload_omitted: Literal["too_large"] | None = Field(
        default=None, description="Set when the payload was left out because the record exceeded its topic's limit."
    )


class DeadLetterHeaders(BaseModel):
    """What a dead letter carries beside the untouched key, value and headers of its input record."""

    model_config = ConfigDict(extra="allow", frozen=True, populate_by_name=True)

    reason: DeadLetterReason = Field(alias=HEADER_REASON)
    error: str = Field(alias=HEADER_ERROR, description="What was wrong, without any text of the message.")
    tenant: str | None = Field(default=None, alias=HEADER_TENANT, description="Left out where it was not found.")
    source_topic: str = Field(alias=HEADER_SOURCE_TOPIC)
    source_partition: int = Field(alias=HEADER_SOURCE_PARTITION)
    source_offset: int = Field(alias=HEADER_SOURCE_OFFSET)
    source_timestamp_ms: int = Field(alias=HEADER_SOURCE_TIMESTAMP_MS)
    dead_lettered_at_ms: int = Field(alias=HEADER_DEAD_LETTERED_AT_MS)
    value_null: Literal["1"] | None = Field(
        default=None, alias=HEADER_VALUE_NULL, description="The source had neither key nor value."
    )
    value_omitted_bytes: int | None = Field(
        default=None, alias=HEADER_VALUE_OMITTED_BYTES, description="Size of a value that did not fit into the topic."
    )
    replaced_headers: str | None = Field(
        default=None,
        alias=HEADER_REPLACED_HEADERS,
        description="Source headers that had names of ours: JSON, [[index, name, value in Base64 or null], …].",
    )
