"""Dead letters on a real Kafka: counted, shown, exported, and replayed once."""

import asyncio
import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiokafka import AIOKafkaProducer, ConsumerRecord
from support.eventually import eventually
from support.forked_process import run_forked
from support.kafka import Record, create_topic, produce, read_all
from support.records import consumer_record
from support.stream import Stream
from support.worker_process import WorkerProcess

from schemas.kafka_settings import KafkaSettings
from schemas.records import DeadLetterReason
from worker.content.dead_letters import DeadLetters
from worker.demo.local_kafka import LocalKafka
from worker.errors import DeadLetterToolError
from worker.kafka.client_options import producer_options
from worker.replay.letters import Filter
from worker.replay.reading import read_dead_letters
from worker.replay.replay import REPLAYED_SUFFIX, Replay
from worker.telemetry.tracing import NOT_TRACED

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
    marks = ["gliclass-replayed-from", "gliclass-replayed-at-ms", "gliclass-replays", "gliclass-original-timestamp-ms"]
    assert [name for name, _ in written[0].headers] == ["theirs", *marks]
    again = await Replay(settings, dead_letter_topic).run(Filter())
    assert again.replayed == 5
    assert again.skipped["replayed before"] == 6
    assert len(await read_all(kafka.bootstrap_servers, input_topic)) == 11
    forced = await Replay(settings, dead_letter_topic, force=True).run(wanted)
    assert forced.replayed == 6


def essence(record: ConsumerRecord, *, less: int = 0) -> tuple[Any, ...]:
    """Everything that a record is, less its last headers."""
    headers = list(record.headers)[: len(record.headers) - less]
    return record.partition, record.timestamp, record.timestamp_type, record.key, record.value, headers


async def dead_lettered(kafka: LocalKafka, topic: str, sources: list[ConsumerRecord]) -> None:
    """Write the dead letters of these records, as a worker would."""
    results = [DeadLetters(topic, 10**6).of(each, DeadLetterReason.LATE, "why", NOT_TRACED) for each in sources]
    letters = [
        Record(outgoing.value, outgoing.key, tuple(outgoing.headers), partition=0)
        for result in results
        for outgoing in result.outgoing
    ]
    await produce(kafka.bootstrap_servers, topic, letters)


async def test_a_replayed_record_is_the_record(kafka: LocalKafka, settings: KafkaSettings, input_topic: str):
    dead = await create_topic(kafka.bootstrap_servers, "dead")
    yesterday = int(time.time() * 1000) - 86_400_000
    headers: tuple[tuple[str, bytes | None], ...] = (
        ("b", b"\xff"), ("a", None), ("gliclass-tenant", b"theirs"), ("b", b""), ("gliclass-reason", None)
    )  # fmt: skip
    sent = [
        Record(b"{", b"k", headers, yesterday, partition=2),
        Record(None, b"k", (), yesterday + 1, partition=2),
        Record(b"", b"k", (), yesterday + 2, partition=2),
        Record(b"", b"", headers, yesterday + 3, partition=0),
        Record(b"x", None, (), yesterday + 4, partition=0),
        Record(None, None, headers, yesterday + 5, partition=1),
        Record(b"no time", b"k", (), -1, partition=1),
    ]
    await produce(kafka.bootstrap_servers, input_topic, sent)
    sources = await read_all(kafka.bootstrap_servers, input_topic)
    await dead_lettered(kafka, dead, sources)
    counts = await Replay(settings, dead).run(Filter())
    assert (counts.replayed, counts.skipped, counts.dated_now) == (7, {}, 0)
    everything = await read_all(kafka.bootstrap_servers, input_topic)
    for partition in range(3):
        of_partition = [each for each in everything if each.partition == partition]
        half = len(of_partition) // 2
        assert [essence(each) for each in of_partition[:half]] == [
            essence(each, less=3) for each in of_partition[half:]
        ]


async def test_another_topic_gets_the_same_partitions_where_it_has_as_many_and_else_those_of_the_keys(
    kafka: LocalKafka, settings: KafkaSettings, input_topic: str
):
    dead = await create_topic(kafka.bootstrap_servers, "dead")
    now = int(time.time() * 1000)
    keys = [b"key %d" % number for number in range(12)]
    await produce(kafka.bootstrap_servers, input_topic, [Record(b"x", key, (), now, 1) for key in keys])
    await dead_lettered(kafka, dead, await read_all(kafka.bootstrap_servers, input_topic))
    alike = await create_topic(kafka.bootstrap_servers, "alike", partitions=3)
    await Replay(settings, dead, to_topic=alike, force=True).run(Filter())
    assert {each.partition for each in await read_all(kafka.bootstrap_servers, alike)} == {1}
    wider = await create_topic(kafka.bootstrap_servers, "wider", partitions=6)
    await Replay(settings, dead, to_topic=wider, force=True).run(Filter())
    chosen = await produce(kafka.bootstrap_servers, wider, [Record(b"y", key) for key in keys])
    replayed = {
        each.key: each.partition for each in await read_all(kafka.bootstrap_servers, wider) if each.value == b"x"
    }
    assert replayed == {key: metadata.partition for key, metadata in zip(keys, chosen, strict=True)}


async def test_a_time_that_its_topic_would_refuse_or_delete_at_once_is_kept_in_a_header(
    kafka: LocalKafka, settings: KafkaSettings
):
    dead = await create_topic(kafka.bootstrap_servers, "dead")
    now = int(time.time() * 1000)
    strict = await create_topic(kafka.bootstrap_servers, "in", config={"message.timestamp.before.max.ms": "3600000"})
    brief = await create_topic(kafka.bootstrap_servers, "in", config={"retention.ms": "7200000"})
    old = [
        consumer_record(timestamp_ms=now - 86_400_000, offset=1),
        consumer_record(timestamp_ms=now - 1000, offset=2),
    ]
    await dead_lettered(kafka, dead, old)
    for topic in (strict, brief):
        counts = await Replay(settings, dead, to_topic=topic, force=True).run(Filter())
        assert (counts.replayed, counts.dated_now) == (2, 1)
        first, second = await read_all(kafka.bootstrap_servers, topic)
        assert first.timestamp >= now
        assert dict(first.headers)["gliclass-original-timestamp-ms"] == b"%d" % (now - 86_400_000)
        assert second.timestamp == now - 1000


async def test_a_record_that_fails_again_is_counted_and_one_run_sends_each_letter_once(
    kafka: LocalKafka, settings: KafkaSettings, input_topic: str, dead_letter_topic: str
):
    wanted = Filter(reasons=frozenset({"tenant_unknown"}))
    first = await Replay(settings, dead_letter_topic).run(wanted)
    assert (first.again, first.most_replays) == ({}, 1)
    await dead_lettered(kafka, dead_letter_topic, await read_all(kafka.bootstrap_servers, input_topic))
    second = await Replay(settings, dead_letter_topic).run(Filter(reasons=frozenset({"late"})))
    assert (second.replayed, second.again, second.most_replays) == (6, {"late": 6}, 2)
    written = await read_all(kafka.bootstrap_servers, input_topic)
    assert [dict(each.headers)["gliclass-replays"] for each in written] == [b"1"] * 6 + [b"2"] * 6


async def test_a_record_that_a_worker_refuses_again_is_counted_and_once_mended_comes_out_as_itself(
    kafka: LocalKafka, settings: KafkaSettings, tmp_path: Path, checkpoint: Path
):
    stream = await Stream.create(kafka.bootstrap_servers, tmp_path, checkpoint)
    hour_ago = int(time.time() * 1000) - 3_600_000
    value = b'{"text": "hello", "tenant": "new", "n": [123456789012345678901, 0.1000]}'
    source = Record(value, b"k", (("a", b"1"), ("a", None)), hour_ago, partition=2)
    await produce(kafka.bootstrap_servers, stream.input_topic, [source])
    output = {"payload": ["n", "n.0"]}
    with WorkerProcess(stream.folder, stream.settings(output=output)) as worker:
        await stream.outcome(1)
        for letters in (1, 2):
            counts = await Replay(settings, stream.dead_letter_topic).run(Filter())
            assert counts.again == ({} if letters == 1 else {"tenant_unknown": 1})
            await stream.outcome(letters + 1)
        task = {"mode": "single", "labels": ["billing", "shipping"]}
        policy = {"latency_budget_seconds": 60.0, "on_late": "dead_letter", "tasks": {"queue": task}}
        stream.write_policies({"tenants": {"new": policy}})
        await eventually(lambda: "policies loaded" in worker.log, what="policies loaded")
        counts = await Replay(settings, stream.dead_letter_topic).run(Filter())
        assert (counts.replayed, counts.most_replays) == (1, 3)
        outcome = await stream.outcome(4)
    assert outcome.reasons == {"tenant_unknown": 3}
    (enriched,) = outcome.outputs
    assert b'"payload":{"n":[123456789012345678901, 0.1000],"n.0":123456789012345678901}' in (enriched.value or b"")
    source_of = outcome.values[0]["source"]
    assert (source_of["partition"], source_of["timestamp_ms"]) == (2, hour_ago)
    headers = dict(enriched.headers)
    assert (headers["gliclass-late"], headers["gliclass-replays"]) == (b"0", b"3")
    assert list(enriched.headers)[:2] == [("a", b"1"), ("a", None)]


async def test_what_becomes_a_dead_letter_during_a_run_is_left_to_the_next(
    kafka: LocalKafka, settings: KafkaSettings, dead_letter_topic: str
):
    read = 0
    async for letter in read_dead_letters(settings, dead_letter_topic, Filter()):
        read += 1
        await produce(kafka.bootstrap_servers, dead_letter_topic, [Record(b"x", headers=tuple(letter.record.headers))])
    assert read == 12


@pytest.mark.parametrize("suffix", ["", REPLAYED_SUFFIX])
async def test_no_replay_goes_to_the_dead_letters_themselves(
    settings: KafkaSettings, dead_letter_topic: str, suffix: str
):
    counts = await Replay(settings, dead_letter_topic, to_topic=dead_letter_topic + suffix).run(Filter())
    assert (counts.replayed, counts.skipped["it would go to the dead letters themselves"]) == (0, 11)


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
    identifier = lines[0]["dead_letter"]
    for each in (identifier, identifier.removeprefix(dead_letter_topic + "-")):
        assert json.loads(command("show", each).stdout) == lines[0]
    assert identifier in command("list", "--ids", "--reason", "invalid_json").stdout
    assert lines[-1]["dead_letter"] in command("list", "--reason", "invalid_json").stdout
    recent = command("list", "--since", "1h")
    assert (recent.returncode, "0 in all" in recent.stdout) == (0, True), recent.stderr
    soon = command("list", "--since", "soon")
    assert (soon.returncode, "ISO 8601" in soon.stderr, "1h" in soon.stderr) == (2, True, True)
    assert "replayed: 1" in command("replay", "--id", identifier).stdout
    assert "replayed: 4" in command("replay", "--reason", "invalid_json", "--rate", "1000").stdout
    assert "replayed before" in command("replay", "--reason", "invalid_json").stdout
    thrice = letter(input_topic, 12, "late", "shop", ("gliclass-replays", b"2"))
    asyncio.run(produce(kafka.bootstrap_servers, dead_letter_topic, [thrice]))
    warned = command("replay", "--reason", "late", "--dry-run")
    assert "would replay: 1" in warned.stdout
    assert "1 were replayed before and became dead letters again (1 late), one of them 2 times" in warned.stderr
    unknown = command("show", "9-9")
    assert (unknown.returncode, "9-9" in unknown.stderr) == (1, True)
    missing = command("replay", "--id", "1-99")
    assert f"no dead letter {dead_letter_topic}-1-99" in missing.stdout
