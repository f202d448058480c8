"""Which timestamps a topic takes and keeps."""

from dataclasses import dataclass
from typing import Any, Self

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from schemas.kafka_settings import KafkaSettings
from worker.kafka.client_options import client_options
from worker.kafka.topics import NO_ERROR

READ_IN_MS = 3_600_000
"""A record must outlive its replay for so long, or half of what the topic keeps where that is less."""


@dataclass(frozen=True, slots=True)
class TopicTimes:
    """Limits of a topic in milliseconds; None: no limit, or the brokers do not let it be read."""

    retention_ms: int | None = None
    most_behind_ms: int | None = None
    most_ahead_ms: int | None = None

    @classmethod
    def of(cls, settings: dict[str, str | None]) -> Self:
        """Read from a topic's configuration by name, of any version of Kafka."""
        deletes = "delete" in (settings.get("cleanup.policy") or "delete")
        if settings.get("message.timestamp.type") == "LogAppendTime":
            return cls()  # the broker's clock, whatever is sent
        either_way = settings.get("message.timestamp.difference.max.ms")
        return cls(
            _limit(settings.get("retention.ms")) if deletes else None,
            _limit(settings.get("message.timestamp.before.max.ms", either_way)),
            _limit(settings.get("message.timestamp.after.max.ms", either_way)),
        )

    def keeps(self, timestamp_ms: int, now_ms: int) -> bool:
        """Whether a record of this time is taken, and not deleted before anybody reads it."""
        behind_ms = now_ms - timestamp_ms
        if self.retention_ms is not None and behind_ms > self.retention_ms - min(READ_IN_MS, self.retention_ms // 2):
            return False
        if self.most_behind_ms is not None and behind_ms >= self.most_behind_ms:
            return False
        return self.most_ahead_ms is None or -behind_ms < self.most_ahead_ms


async def read_topic_times(kafka: KafkaSettings, topic: str) -> TopicTimes:
    """What a topic's configuration says. Raises KafkaError."""
    admin = AIOKafkaAdminClient(**client_options(kafka))
    try:
        await admin.start()
        responses = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    finally:
        await admin.close()
    resources: list[dict[str, Any]] = [each for response in responses for each in response.to_object()["resources"]]
    settings = {
        entry["config_names"]: entry["config_value"]
        for resource in resources
        if resource["error_code"] == NO_ERROR
        for entry in resource["config_entries"]
    }
    return TopicTimes.of(settings)


def _limit(written: str | None) -> int | None:
    number = int(written) if written is not None else -1
    return number if 0 <= number < 2**62 else None
