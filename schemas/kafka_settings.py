"""Settings of the Kafka client: where the brokers are, how to speak to them, how patient to be."""

import re
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from schemas.types import MEBIBYTE, PlainName, PositiveSeconds, SettingsModel, UserPath, comma_separated

_BOOTSTRAP = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/,\[\]]+):\d{1,5}")


class SecuritySettings(SettingsModel):
    """Encryption and authentication towards the brokers."""

    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    username: str | None = Field(default=None, min_length=1)
    password: SecretStr | None = Field(default=None, description="Better as an environment variable, or in a file:")
    password_file: UserPath | None = Field(
        default=None, description="A file that holds the password; trailing newline cut."
    )
    ca_file: UserPath | None = Field(default=None, description="PEM; null: the certificate authorities of the system.")
    certificate_file: UserPath | None = Field(default=None, description="PEM; the client's own, for mutual TLS.")
    key_file: UserPath | None = Field(default=None, description="PEM; the key of certificate_file.")
    key_password: SecretStr | None = Field(default=None, description="Where key_file is encrypted.")

    @property
    def encrypted(self) -> bool:
        return self.protocol.endswith("SSL")

    @property
    def authenticated(self) -> bool:
        return self.protocol.startswith("SASL")

    @model_validator(mode="after")
    def _login_is_whole(self) -> Self:
        login = ("sasl_mechanism", "username", "password", "password_file")
        given = [name for name in login if getattr(self, name) is not None]
        if not self.authenticated and given:
            raise ValueError(f"{given[0]}: protocol {self.protocol} would not use it; set a SASL protocol or remove it")
        if self.authenticated:
            for name in ("sasl_mechanism", "username"):
                if name not in given:
                    raise ValueError(f"{name}: is required by protocol {self.protocol}")
            if ("password" in given) == ("password_file" in given):
                raise ValueError(f"password: protocol {self.protocol} needs either password or password_file")
        return self

    @model_validator(mode="after")
    def _certificates_are_whole(self) -> Self:
        names = ("ca_file", "certificate_file", "key_file", "key_password")
        given = [name for name in names if getattr(self, name) is not None]
        if not self.encrypted and given:
            raise ValueError(f"{given[0]}: protocol {self.protocol} would not use it; set an SSL protocol or remove it")
        if ("certificate_file" in given) != ("key_file" in given):
            raise ValueError("certificate_file: needs key_file, and key_file needs it")
        if "key_password" in given and "key_file" not in given:
            raise ValueError("key_password: belongs to a key_file, which is not set")
        return self


class KafkaSettings(SettingsModel):
    """The consumer group and the connection. The defaults suit a device that may be busy for seconds."""

    bootstrap_servers: Annotated[list[str], NoDecode, BeforeValidator(comma_separated)] = Field(
        min_length=1, description="host:port of some brokers."
    )
    group_id: PlainName = Field(default="gliclass-worker", description="Replicas with one group id share the work.")
    client_id: PlainName = Field(default="gliclass-worker", description="Names this client in the brokers' logs.")
    group_instance_id: PlainName | None = Field(
        default=None,
        description="Makes this a static member: a restart within the session timeout moves no partition, but one that "
        "stays away keeps its partitions idle for as long. Each replica needs its own, as a StatefulSet's pod name.",
    )
    security: SecuritySettings = SecuritySettings()
    session_timeout_seconds: float = Field(
        default=45.0,
        ge=6,
        le=1800,
        description="Silence after which the group gives this member's partitions away; below 6 brokers refuse.",
    )
    heartbeat_interval_seconds: PositiveSeconds = Field(
        default=3.0, description="Also the time until a member notices a rebalance; at most a third of the session."
    )
    rebalance_timeout_seconds: PositiveSeconds = Field(
        default=45.0,
        description="Time the group waits for this member to drain; unset it would be the session timeout.",
    )
    request_timeout_seconds: float = Field(
        default=10.0,
        ge=1,
        le=300,
        description="A frozen broker costs one to four of these; the client's usual 40 s makes that minutes.",
    )
    max_poll_interval_seconds: PositiveSeconds = Field(
        default=300.0, description="Without a fetch for this long the member leaves the group."
    )
    fetch_max_wait_seconds: PositiveSeconds = Field(
        default=0.5, description="How long an empty fetch waits at the broker; records end the wait at once."
    )
    fetch_max_bytes: int = Field(default=16 * MEBIBYTE, ge=1, description="Of one fetch from one broker.")
    fetch_max_partition_bytes: int = Field(
        default=MEBIBYTE, ge=1, description="Of one partition in it; a single larger record comes all the same."
    )
    fetch_max_records: int = Field(
        default=500, ge=1, le=10_000, description="Handled in one go: bounds how long the event loop is kept."
    )
    isolation_level: Literal["read_committed", "read_uncommitted"] = Field(
        default="read_committed", description="read_committed never classifies what a producer took back."
    )
    auto_offset_reset: Literal["earliest", "latest", "fail"] = Field(
        default="earliest",
        description="Where a partition without a valid committed offset starts; latest skips records, fail refuses.",
    )

    @field_validator("bootstrap_servers")
    @classmethod
    def _host_and_port(cls, servers: list[str]) -> list[str]:
        for server in servers:
            if not _BOOTSTRAP.fullmatch(server) or int(server.rpartition(":")[2]) > 65_535:
                raise ValueError(f"{server!r} is no host:port, such as kafka-1:9092")
        return servers

    @model_validator(mode="after")
    def _timeouts_agree(self) -> Self:
        if self.heartbeat_interval_seconds * 3 > self.session_timeout_seconds:
            raise ValueError(
                "heartbeat_interval_seconds: must be at most a third of session_timeout_seconds "
                f"({self.session_timeout_seconds:g}), or one lost heartbeat costs the partitions"
            )
        if self.max_poll_interval_seconds < self.rebalance_timeout_seconds:
            raise ValueError(
                "max_poll_interval_seconds: must not be below rebalance_timeout_seconds "
                f"({self.rebalance_timeout_seconds:g}), or a drain makes the member leave the group"
            )
        return self
