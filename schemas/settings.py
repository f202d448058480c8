"""Settings of one worker process: one file, every value also an environment variable `GLICLASS_GROUP__NAME`."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from schemas.kafka_settings import KafkaSettings
from schemas.mapping import InputMapping, SkipRules
from schemas.types import (
    MEBIBYTE,
    DeviceName,
    FieldPath,
    HttpUrl,
    PositiveSeconds,
    Probability,
    SettingsModel,
    TopicName,
    UserPath,
    comma_separated,
)

ENVIRONMENT_PREFIX = "GLICLASS_"
NESTED_DELIMITER = "__"

PUBLISH_TIMEOUTS = 3
"""A publish may outlast so many request timeouts: a frozen broker costs one or two, and giving up makes duplicates."""


def _payload(written: Any) -> Any:
    return written if written in ("all", "none") else comma_separated(written)


class InputSettings(SettingsModel):
    """What is read."""

    topics: Annotated[list[TopicName], NoDecode, BeforeValidator(comma_separated)] = Field(min_length=1)
    mapping: InputMapping = InputMapping()
    skip: SkipRules = SkipRules()
    max_text_bytes: int = Field(
        default=MEBIBYTE,
        ge=1,
        le=64 * MEBIBYTE,
        description="A longer text is a dead letter (text_too_large); so is, unread, a value of more than six times as "
        "many bytes: the most that JSON needs to write such a text.",
    )

    @model_validator(mode="after")
    def _text_has_nothing_to_skip(self) -> Self:
        if self.mapping.format == "text" and (self.skip.missing_text or self.skip.fields):
            raise ValueError("skip: format text has no fields; only skip.null_values goes with it")
        return self

    @field_validator("topics")
    @classmethod
    def _each_once(cls, topics: list[str]) -> list[str]:
        if len(set(topics)) < len(topics):
            raise ValueError("names a topic twice: remove one")
        return topics


class OutputSettings(SettingsModel):
    """What is written."""

    topic: TopicName
    dead_letter_topic: TopicName
    payload: Annotated[
        Literal["all", "none"] | Annotated[list[FieldPath], Field(min_length=1)], BeforeValidator(_payload)
    ] = Field(
        default="all",
        description="What the output carries of the input value: all, none, or a list of paths, absent ones left out.",
    )
    scores: Literal["chosen", "all"] = Field(
        default="chosen", description="Publish the chosen labels' scores or every label's; a task may say otherwise."
    )


class ModelSettings(SettingsModel):
    """The one model of this process, on its one device."""

    path: str | None = Field(
        default=None, min_length=1, description="Folder of a checkpoint or its hub id; null: the starter checkpoint."
    )
    revision: str | None = Field(
        default=None, min_length=1, description="Commit of a hub checkpoint; pin it, or a push changes your decisions."
    )
    device: DeviceName = "auto"
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto", description="auto: bfloat16 where the device computes in it natively."
    )
    deviation_limit: float = Field(
        default=0.03, gt=0, le=1, description="How far bfloat16 may move a probability of the start-up check."
    )
    threads: int | None = Field(
        default=None,
        ge=1,
        description="CPU threads of one pass; null: as many as affinity and CPU quota allow at once.",
    )
    max_tokens: int = Field(
        default=1024, ge=16, description="Window: labels, prompt and text together; longer text is cut, and said so."
    )


class BatchingSettings(SettingsModel):
    """How much is taken at once, and how much may wait."""

    max_batch_tokens: int = Field(
        default=16_384, ge=1, description="Cap of one device batch: bounds its memory and how long it blocks the next."
    )
    high_water_seconds: PositiveSeconds = Field(
        default=5.0, description="Queued work at which fetching pauses; more only adds latency that nobody wants."
    )
    low_water_seconds: PositiveSeconds = Field(
        default=2.0, description="Queued work at which fetching goes on; above 0 or the device idles meanwhile."
    )
    defer_efficiency: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="On an accelerator shared with others: wait for more messages, while no deadline suffers, until "
        "this share of a batch would be spent on tokens; 0: an idle device takes what is there.",
    )
    duplicate_memory_messages: int = Field(
        default=10_000, ge=0, description="Recent texts whose score is given to an equal one instead of a pass; 0: off."
    )
    max_in_flight_messages: int = Field(default=20_000, ge=1, description="Bounds memory whatever the backlog.")
    max_in_flight_bytes: int = Field(default=64 * MEBIBYTE, ge=1, description="Keys, values and headers held at once.")

    @model_validator(mode="after")
    def _waters(self) -> Self:
        if self.low_water_seconds >= self.high_water_seconds:
            raise ValueError("low_water_seconds: must be below high_water_seconds")
        return self


class PolicySettings(SettingsModel):
    """Where the tenants' policies come from."""

    file: UserPath
    reload_interval_seconds: PositiveSeconds = Field(
        default=2.0, description="How often the file is looked at; a changed one takes effect without a restart."
    )


class DeliverySettings(SettingsModel):
    """How records in flight are brought home."""

    guarantee: Literal["at_least_once", "exactly_once"] = Field(
        default="at_least_once",
        description="exactly_once: outputs and offset in one transaction of each partition, for readers with "
        "read_committed; costs tens of milliseconds, and order is kept within a partition instead of a key.",
    )
    transaction_timeout_seconds: float = Field(
        default=60.0,
        ge=1,
        le=900,
        description="Exactly once: after this the brokers end a transaction; they refuse more than 15 min.",
    )
    drain_budget_seconds: PositiveSeconds = Field(
        default=20.0,
        description="Time for records in flight on SIGTERM or revocation; below the orchestrator's grace period "
        "(30 s in Kubernetes) or it kills first.",
    )
    publish_floor_seconds: PositiveSeconds = Field(
        default=5.0, description="The end of the drain budget that is kept for the last publish and commit."
    )
    commit_interval_seconds: PositiveSeconds = Field(
        default=1.0, description="A crash repeats at most what was published in this time, with equal record ids."
    )
    stuck_seconds: PositiveSeconds = Field(
        default=300.0,
        description="A partition with work and without progress for this long, while the brokers answer, ends the "
        "process with the stacks of its threads: the orchestrator starts it again.",
    )
    flood_share: Probability = Field(
        default=0.2,
        description="Share of dead letters above which the worker stops rather than empty a topic into them; 1: never.",
    )
    flood_window_seconds: PositiveSeconds = Field(default=300.0, description="Over which flood_share is taken.")
    flood_least_dead_letters: int = Field(
        default=100, ge=1, description="Fewer dead letters in the window never stop the worker."
    )

    @model_validator(mode="after")
    def _floor_inside_budget(self) -> Self:
        if self.publish_floor_seconds >= self.drain_budget_seconds:
            raise ValueError("publish_floor_seconds: must be below drain_budget_seconds, whose end it reserves")
        return self


class AdminSettings(SettingsModel):
    """The HTTP port of /livez, /readyz and /metrics."""

    host: str = Field(default="127.0.0.1", min_length=1, description="0.0.0.0 lets probes and scrapers in.")
    port: int = Field(default=9464, ge=0, le=65_535, description="0: any free port.")


class TelemetrySettings(SettingsModel):
    """Logs and traces."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "json", "console"] = Field(
        default="auto", description="auto: console on a terminal, JSON elsewhere."
    )
    otlp_endpoint: HttpUrl | None = Field(
        default=None, description="OTLP over HTTP, as http://collector:4318; null: no export."
    )
    tenants_in_metrics: int = Field(
        default=1000,
        ge=0,
        description="Tenants with time series of their own, some 25 lines of a scrape each; the others share "
        'tenant="(others)".',
    )
    trace_sampling_ratio: Probability = Field(
        default=0.05, description="Share of messages traced where the producer did not decide already."
    )


class Settings(BaseSettings):
    """Everything that one worker process is told. Arguments are the file's content; the environment goes before it."""

    model_config = SettingsConfigDict(
        env_prefix=ENVIRONMENT_PREFIX,
        env_nested_delimiter=NESTED_DELIMITER,
        env_ignore_empty=True,
        env_parse_none_str="null",
        extra="forbid",
        frozen=True,
    )

    kafka: KafkaSettings
    input: InputSettings
    output: OutputSettings
    policies: PolicySettings
    model: ModelSettings = ModelSettings()
    batching: BatchingSettings = BatchingSettings()
    delivery: DeliverySettings = DeliverySettings()
    admin: AdminSettings = AdminSettings()
    telemetry: TelemetrySettings = TelemetrySettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment, then the file."""
        return env_settings, init_settings

    @model_validator(mode="after")
    def _topics_make_no_loop(self) -> Self:
        if self.output.topic in self.input.topics:
            raise ValueError(f"output.topic: {self.output.topic!r} is an input topic too, a loop; choose another")
        if self.output.dead_letter_topic in self.input.topics:
            raise ValueError(
                f"output.dead_letter_topic: {self.output.dead_letter_topic!r} is an input topic too, a loop; "
                "choose another"
            )
        if self.output.dead_letter_topic == self.output.topic:
            raise ValueError("output.dead_letter_topic: is the output topic too; consumers could not tell them apart")
        return self

    @model_validator(mode="after")
    def _plain_text_has_no_fields(self) -> Self:
        if self.input.mapping.format == "text" and isinstance(self.output.payload, list):
            raise ValueError("output.payload: input.mapping.format text has no fields to choose; say all or none")
        return self

    @model_validator(mode="after")
    def _transaction_outlasts_session(self) -> Self:
        delivery, session_seconds = self.delivery, self.kafka.session_timeout_seconds
        if delivery.guarantee == "exactly_once" and session_seconds > delivery.transaction_timeout_seconds:
            raise ValueError(
                "delivery.transaction_timeout_seconds: must not be below kafka.session_timeout_seconds "
                f"({session_seconds:g}) with exactly_once, or brokers end transactions of a member still in its group"
            )
        return self

    @model_validator(mode="after")
    def _watchdog_outlasts_publishing(self) -> Self:
        round_seconds = PUBLISH_TIMEOUTS * self.kafka.request_timeout_seconds
        if self.delivery.stuck_seconds <= round_seconds:
            raise ValueError(
                f"delivery.stuck_seconds: must be above {PUBLISH_TIMEOUTS} times kafka.request_timeout_seconds "
                f"({round_seconds:g} s), or a slow broker is taken for a standstill"
            )
        return self

    @model_validator(mode="after")
    def _rebalance_outlasts_drain(self) -> Self:
        if self.kafka.rebalance_timeout_seconds <= self.delivery.drain_budget_seconds:
            raise ValueError(
                "kafka.rebalance_timeout_seconds: must be above delivery.drain_budget_seconds "
                f"({self.delivery.drain_budget_seconds:g}), or the partitions are given away before the drain ends"
            )
        return self
