"""Dead letters on a real Kafka: counted, shown, exported, and replayed once."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml
from aiokafka import AIOKafkaProducer
from support.forked_process import run_forked
from support.kafka import Record, create_topic, produce, read_all

from schemas.kafka_settings import KafkaSettings
from schemas.records import DeadLetterReason
from worker.demo.local_kafka import LocalKafka
from worker.errors import DeadLetterToolError
from worker.kafka.client_options import producer_options
from worker.replay.letters import Filter, read_dead_letters
from worker.replay.replay import REPLAYED_SUFFIX, Replay

pytestmark = pytest.mark.integration


@pytest.fixture
def settings(kafka: LocalKafka) -> KafkaSettings:
    return KafkaSettings(bootstrap_servers=[kafka.bootstrap_servers], request_timeout_seconds=5.0)


@pytest.fixture
async def input_topic(kafka: LocalKafka) -> str:
    return await create_topic(kafka.bootstrap_servers, "in", partitions=3)


@pytest.fixture
async def dead_letter_topic(kafka: LocalKafka, input_topic: str) -> str:
    """Twelve dead letters of partition 1: six without a known tenant, five of broken JSON, one whose value is gone."""
    topic = await create_topic(kafka.bootstrap_servers, "dead", partitions=2)
    letters = [letter(input_topic, number, "tenant_unknown", "forum") for number in range(6)]
    letters += [letter(input_topic, number, "invalid_json", None) for number in range(6, 11)]
    letters.append(letter(input_topic, 11, "tenant_unknown", "forum", ("gliclass-value-omitted-bytes", b"9000000")))
    await produce(kafka.bootstrap_servers, topic, letters)
    return topic


def letter(topic: str, number: int, reason: str, tenant: str | None, *more: tuple[str, bytes | None]) -> Record:
    headers: list[tuple[str, bytes | None]] = [
        ("theirs", b"\xff"),
        ("gliclass-reason", DeadLetterReason(reason).encode()),
        ("gliclass-error", b"why"),
        ("gliclass-source-topic", topic.encode()),
        ("gliclass-source-partition", b"1"),
        ("gliclass-source-offset", b"%d" % number),
        ("gliclass-source-timestamp-ms", b"1000"),
        ("gliclass-dead-lettered-at-ms", b"%d" % (1000 * number)),
        *more,
    ]
    if tenant is not None:
        headers.append(("gliclass-tenant", tenant.encode()))
    return Record(b"value %d" % number, key=b"key", headers=tuple(headers))


async def test_a_replay_sends_what_the_filter_admits_to_where_it_came_from_and_only_once(
    kafka: LocalKafka, settings: KafkaSettings, input_topic: str, dead_letter_topic: str
):
    wanted = Filter(reasons=frozenset({"tenant_unknown"}))
    counts = await Replay(settings, dead_letter_topic).run(wanted)
    assert (counts.replayed, list(counts.skipped.values())) == (6, [1])
    written = await read_all(kafka.bootstrap_servers, input_topic)
    assert [(each.partition, each.value) for each in written] == [(1, b"value %d" % number) for number in range(6)]
    assert [name for name, _ in written[0].headers] == ["theirs", "gliclass-replayed-from"]
    again = await Replay(settings, dead_letter_topic).run(Filter())
    assert again.replayed == 5
    assert again.skipped["replayed before"] == 6
    assert len(await read_all(kafka.bootstrap_servers, input_topic)) == 11
    forced = await Replay(settings, dead_letter_topic, force=True).run(wanted)
    assert forced.replayed == 6


async def test_a_dry_run_counts_and_writes_nothing(
    kafka: LocalKafka, settings: KafkaSettings, input_topic: str, dead_letter_topic: str
):
    counts = await Replay(settings, dead_letter_topic, dry_run=True).run(Filter())
    assert counts.replayed == 11
    assert await read_all(kafka.bootstrap_servers, input_topic) == []
    assert (await Replay(settings, dead_letter_topic).run(Filter())).replayed == 11


async def test_another_topic_may_be_the_target_and_a_missing_one_is_no_loss(
    kafka: LocalKafka, settings: KafkaSettings, dead_letter_topic: str
):
    missing = await Replay(settings, dead_letter_topic, to_topic="nowhere").run(Filter())
    assert missing.replayed == 0
    assert missing.skipped["topic nowhere is missing or denied"] == 11
    other = await create_topic(kafka.bootstrap_servers, "other")
    assert (await Replay(settings, dead_letter_topic, to_topic=other).run(Filter())).replayed == 11
    assert len(await read_all(kafka.bootstrap_servers, other)) == 11


async def test_a_replay_that_is_cut_off_leaves_neither_records_nor_marks(
    kafka: LocalKafka, settings: KafkaSettings, input_topic: str, dead_letter_topic: str
):
    await Replay(settings, dead_letter_topic).run(Filter(reasons=frozenset({"late"})))
    options = producer_options(settings, record_limits=[1_000_000])
    cut_off = AIOKafkaProducer(**options, transactional_id=f"gliclass-replay-{dead_letter_topic}")
    await cut_off.start()
    try:
        await cut_off.begin_transaction()
        await cut_off.send_and_wait(input_topic, b"unfinished")
        await cut_off.send_and_wait(dead_letter_topic + REPLAYED_SUFFIX, b"{}", key=b"0-0")
        counts = await Replay(settings, dead_letter_topic).run(Filter())
    finally:
        await cut_off.stop()
    assert counts.replayed == 11
    assert b"unfinished" not in [each.value for each in await read_all(kafka.bootstrap_servers, input_topic)]


async def test_a_dead_letter_topic_that_does_not_exist_is_named(settings: KafkaSettings):
    with pytest.raises(DeadLetterToolError, match="no-such-topic"):
        [letter async for letter in read_dead_letters(settings, "no-such-topic", Filter())]


def test_the_command_lists_shows_exports_and_replays(
    kafka: LocalKafka, tmp_path: Path, input_topic: str, dead_letter_topic: str
):
    settings = {
        "kafka": {"bootstrap_servers": [kafka.bootstrap_servers]},
        "input": {"topics": [input_topic]},
        "output": {"topic": "out", "dead_letter_topic": dead_letter_topic},
        "policies": {"file": "policies.yaml"},
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings))

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        return run_forked(tmp_path, "dead-letters", *arguments, "-c", str(tmp_path / "config.yaml"))

    listed = command("list", "--since", "1970-01-01T00:00:06")
    assert listed.returncode == 0, listed.stderr
    assert "6 in all" in listed.stdout
    exported = command("export", "--reason", "invalid_json")
    lines = [json.loads(line) for line in exported.stdout.splitlines()]
    assert len(lines) == 5
    shown = command("show", lines[0]["dead_letter"].removeprefix(dead_letter_topic + "-"))
    assert json.loads(shown.stdout) == lines[0]
    assert "replayed: 5" in command("replay", "--reason", "invalid_json", "--rate", "1000").stdout
    assert "replayed before" in command("replay", "--reason", "invalid_json").stdout
    unknown = command("show", "9-9")
    assert (unknown.returncode, "9-9" in unknown.stderr) == (1, True)
