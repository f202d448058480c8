"""The demo's topics, which exist for one run."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaConnectionError, for_code

from worker.errors import WorkerError

_CREATE_SECONDS = 30.0
_MOST_REPLICAS = 3


class TopicError(WorkerError):
    """The Kafka that was given does not answer, or refuses the demo's topics."""


@dataclass(frozen=True, slots=True)
class Topics:
    """Names of one run's topics; all have the same number of partitions."""

    prefix: str
    partitions: int
    routes: tuple[str, ...]

    @property
    def input(self) -> str:
        return f"{self.prefix}-messages"

    @property
    def warm_up(self) -> str:
        """Input of what is sent before the stream, so that it has no part in any figure."""
        return f"{self.prefix}-warm-up"

    @property
    def output(self) -> str:
        return f"{self.prefix}-classified"

    @property
    def dead_letters(self) -> str:
        return f"{self.prefix}-dead-letters"

    @property
    def all(self) -> tuple[str, ...]:
        return self.input, self.warm_up, self.output, self.dead_letters, *self.routes


async def create_topics(bootstrap_servers: str, topics: Mapping[str, int]) -> None:
    """Create topics of so many partitions, replicated as far as there are brokers; returns when all have leaders.

    Raises TopicError when no broker answers, or with the broker's reason.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    try:
        await admin.start()
        replicas = min(_MOST_REPLICAS, len((await admin.describe_cluster())["brokers"]))
        response = await admin.create_topics(
            [NewTopic(name, partitions, replicas) for name, partitions in topics.items()]
        )
        for refusal in response.to_object()["topic_errors"]:
            if refusal["error_code"]:
                reason = refusal.get("error_message") or for_code(refusal["error_code"]).__name__
                raise TopicError(f"cannot create the topic {refusal['topic']!r}: {reason}")
        async with asyncio.timeout(_CREATE_SECONDS):
            while not _led(await admin.describe_topics(list(topics)), topics):
                await asyncio.sleep(0.05)
    except KafkaConnectionError as error:
        raise TopicError(
            f"no Kafka answers at {bootstrap_servers}: check --bootstrap-servers, that the brokers are up, "
            "and that they ask for neither encryption nor a login"
        ) from error
    except TimeoutError as error:
        raise TopicError(f"the new topics have no leaders after {_CREATE_SECONDS:.0f} s") from error
    finally:
        await admin.close()


async def delete_topics(bootstrap_servers: str, topics: Topics) -> None:
    """Remove all topics of a run."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    try:
        await admin.start()
        await admin.delete_topics(list(topics.all))
    finally:
        await admin.close()


def _led(described: list[dict], topics: Mapping[str, int]) -> bool:
    leaders = [p["leader"] for topic in described if not topic["error_code"] for p in topic["partitions"]]
    return len(leaders) == sum(topics.values()) and min(leaders) >= 0
