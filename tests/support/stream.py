"""Topics, policies and settings of a worker under test, and what came out of it."""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import yaml
from aiokafka import ConsumerRecord
from support.eventually import eventually
from support.kafka import Record, committed_offsets, create_topic, produce, read_all, unique_name, wait_for_records

LARGEST_INPUT_BYTES = 12 * 1024 * 1024

POLICIES = {
    "tenants": {
        "shop": {
            "latency_budget_seconds": 2.0,
            "tasks": {
                "queue": {"mode": "single", "labels": ["billing", "shipping", "returns"]},
                "urgency": {"mode": "single", "labels": ["now", "later"], "scores": "all"},
            },
        },
        "forum": {
            "latency_budget_seconds": 0.5,
            "tasks": {"abuse": {"mode": "multi", "labels": ["insult", "threat"], "threshold": 0.01}},
        },
    }
}


@dataclass
class Outcome:
    """What is in the output and dead-letter topics, by the record id of the input."""

    outputs: list[ConsumerRecord] = field(default_factory=list)
    dead_letters: list[ConsumerRecord] = field(default_factory=list)

    @property
    def values(self) -> list[dict[str, Any]]:
        return [orjson.loads(record.value or b"") for record in self.outputs]

    @property
    def ids(self) -> Counter[str]:
        """How often each input has an enriched record or a dead letter."""
        ids = Counter(value["record_id"] for value in self.values)
        for record in self.dead_letters:
            headers = {name: (value or b"").decode() for name, value in record.headers}
            source = (headers[f"gliclass-source-{part}"] for part in ("topic", "partition", "offset"))
            ids["-".join(source)] += 1
        return ids

    @property
    def reasons(self) -> Counter[str]:
        return Counter(
            (value or b"").decode()
            for record in self.dead_letters
            for name, value in record.headers
            if name == "gliclass-reason"
        )


@dataclass
class Stream:
    """One test's topics, group and policy file on a shared Kafka."""

    bootstrap_servers: str
    folder: Path
    checkpoint: Path
    input_topic: str
    output_topic: str
    dead_letter_topic: str
    group: str

    @classmethod
    async def create(cls, bootstrap_servers: str, folder: Path, checkpoint: Path, partitions: int = 4) -> "Stream":
        stream = cls(
            bootstrap_servers,
            folder,
            checkpoint,
            await create_topic(
                bootstrap_servers, "in", partitions=partitions, config={"max.message.bytes": str(LARGEST_INPUT_BYTES)}
            ),
            await create_topic(bootstrap_servers, "out", partitions=partitions),
            await create_topic(bootstrap_servers, "dead-letters"),
            unique_name("group"),
        )
        stream.write_policies(POLICIES)
        return stream

    @property
    def policy_file(self) -> Path:
        return self.folder / "policies.yaml"

    def write_policies(self, policies: dict[str, Any]) -> None:
        self.policy_file.write_text(yaml.safe_dump(policies))

    def settings(self, **groups: dict[str, Any]) -> dict[str, Any]:
        """Settings of a worker on this stream; each group given is merged over the default one."""
        base: dict[str, dict[str, Any]] = {
            "kafka": {
                "bootstrap_servers": [self.bootstrap_servers],
                "group_id": self.group,
                "session_timeout_seconds": 6,
                "heartbeat_interval_seconds": 0.5,
                "request_timeout_seconds": 5,
            },
            "input": {"topics": [self.input_topic]},
            "output": {"topic": self.output_topic, "dead_letter_topic": self.dead_letter_topic},
            "policies": {"file": str(self.policy_file), "reload_interval_seconds": 0.2},
            "model": {"path": str(self.checkpoint), "threads": 1, "dtype": "float32"},
        }
        return base | {name: base.get(name, {}) | values for name, values in groups.items()}

    async def produce_messages(self, count: int, *, first: int = 0, tenant: str = "shop", text: str = "") -> list[str]:
        """Messages with 20 different keys; gives their record ids."""
        records = [
            Record(
                json.dumps({"text": f"message {number} {text}", "tenant": tenant, "number": number}).encode(),
                key=b"key-%d" % (number % 20),
            )
            for number in range(first, first + count)
        ]
        written = await produce(self.bootstrap_servers, self.input_topic, records)
        return [f"{each.topic}-{each.partition}-{each.offset}" for each in written]

    async def all_done(self, count: int, timeout_seconds: float = 150) -> Outcome:
        """Everything that was written, once the group's offsets add up to `count`: every input is done."""
        await eventually(
            lambda: committed_offsets(self.bootstrap_servers, self.group),
            lambda offsets: sum(offsets.values()) >= count,
            what=f"{count} records committed",
            timeout_seconds=timeout_seconds,
        )
        return await self.outcome(count)

    async def outcome(self, count: int, timeout_seconds: float = 90) -> Outcome:
        """Wait until output and dead letters hold `count` records together; then everything that is there."""
        topics = [self.output_topic, self.dead_letter_topic]
        await wait_for_records(self.bootstrap_servers, topics, count, timeout_seconds=timeout_seconds)
        records = await read_all(self.bootstrap_servers, *topics)
        return Outcome(
            [record for record in records if record.topic == self.output_topic],
            [record for record in records if record.topic == self.dead_letter_topic],
        )


def assert_key_order(records: list[ConsumerRecord]) -> None:
    """The first occurrences of each key's inputs come in input order."""
    seen: dict[bytes | None, list[int]] = {}
    for record in records:
        number = orjson.loads(record.value or b"")["payload"]["number"]
        numbers = seen.setdefault(record.key, [])
        if number not in numbers:
            numbers.append(number)
    assert all(numbers == sorted(numbers) for numbers in seen.values())
