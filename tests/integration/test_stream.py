"""Real worker processes on a real Kafka: what goes in comes out once, whatever happens to the worker."""

import asyncio
import json
import signal
import time
from functools import partial
from pathlib import Path

import pytest
from aiokafka import TopicPartition
from aiokafka.producer import message_accumulator, producer
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from support.eventually import eventually
from support.header_names import RawName
from support.kafka import Record, create_topic, produce, wait_for_committed
from support.stream import POLICIES, Stream, assert_key_order
from support.worker_process import WorkerProcess, from_command_line

from worker.demo.local_kafka import LocalKafka

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


@pytest.fixture
async def stream(kafka: LocalKafka, tmp_path: Path, checkpoint: Path) -> Stream:
    return await Stream.create(kafka.bootstrap_servers, tmp_path, checkpoint)


async def test_every_message_comes_out_once_in_key_order_and_is_committed(stream: Stream):
    ids = await stream.produce_messages(500)
    with WorkerProcess(stream.folder, stream.settings(), launch=from_command_line) as worker:
        outcome = await stream.outcome(500)
        assert await asyncio.to_thread(worker.terminate) == 0
    assert outcome.ids == dict.fromkeys(ids, 1)
    assert_key_order(outcome.outputs)
    value = outcome.values[0]
    assert (value["tenant"], value["payload"]["tenant"]) == ("shop", "shop")
    assert set(value["tasks"]) == {"queue", "urgency"}
    assert "scores" not in value["tasks"]["queue"]
    assert set(value["tasks"]["urgency"]["scores"]) == {"now", "later"}
    ends = {TopicPartition(stream.input_topic, number): 0 for number in range(4)}
    for record_id in ids:
        partition, offset = map(int, record_id.rsplit("-", 2)[1:])
        ends[TopicPartition(stream.input_topic, partition)] = max(
            ends[TopicPartition(stream.input_topic, partition)], offset + 1
        )
    await wait_for_committed(stream.bootstrap_servers, stream.group, {tp: end for tp, end in ends.items() if end})


async def test_what_batches_took_is_kept_for_the_next_start(
    stream: Stream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    await stream.produce_messages(100)
    with WorkerProcess(stream.folder, stream.settings()) as worker:
        await stream.outcome(100)
        (file,) = (tmp_path / "cache").rglob("cost-models/*.json")
        calibrated = json.loads(file.read_bytes())
        assert await asyncio.to_thread(worker.terminate) == 0
    kept = json.loads(file.read_bytes())
    assert kept["calibration"] == calibrated["calibration"]
    assert kept["pace"] != calibrated["pace"]


async def test_text_tenant_and_id_are_found_where_the_mapping_says(stream: Stream):
    settings = stream.settings(
        input={
            "topics": [stream.input_topic],
            "mapping": {
                "text": ["ticket.subject", "ticket.body"],
                "separator": " | ",
                "tenant": {"header": "tenant"},
                "id": {"field": "ticket.number"},
            },
        },
        output={
            "topic": stream.output_topic,
            "dead_letter_topic": stream.dead_letter_topic,
            "payload": ["ticket.number"],
        },
    )
    ticket = {"ticket": {"subject": "late parcel", "body": "where is it?", "number": 17}, "secret": "not copied"}
    record = Record(json.dumps(ticket).encode(), key=b"k", headers=(("tenant", b"forum"), ("kept", b"\xff")))
    await produce(stream.bootstrap_servers, stream.input_topic, [record])
    with WorkerProcess(stream.folder, settings):
        outcome = await stream.outcome(1)
    (value,), (output,) = outcome.values, outcome.outputs
    assert (value["tenant"], value["source"]["id"], value["payload"]) == ("forum", "17", {"ticket.number": 17})
    headers = dict(output.headers)
    assert (output.key, headers["tenant"], headers["kept"]) == (b"k", b"forum", b"\xff")
    assert int(headers["gliclass-budget-ms"]) == 500


@pytest.mark.parametrize("guarantee", ["at_least_once", "exactly_once"])
async def test_what_is_too_large_for_the_output_topic_holds_nothing_up(
    kafka: LocalKafka, tmp_path: Path, checkpoint: Path, guarantee: str
):
    stream = await Stream.create(kafka.bootstrap_servers, tmp_path, checkpoint, partitions=1)
    stream.output_topic = await create_topic(
        kafka.bootstrap_servers, "small", partitions=1, config={"max.message.bytes": "1500"}
    )
    message = json.dumps({"text": "hello", "tenant": "forum"}).encode()
    large = json.dumps({"text": "hello", "tenant": "forum", "more": "x" * 3000}).encode()
    records = [Record(message), Record(large), Record(message, key=b"k" * 2000), Record(message)]
    await produce(stream.bootstrap_servers, stream.input_topic, records)
    with WorkerProcess(stream.folder, stream.settings(delivery={"guarantee": guarantee})):
        outcome = await stream.outcome(4)
    assert [value.get("payload_omitted") for value in outcome.values] == [None, "too_large", None]
    assert outcome.reasons == {"output_too_large": 1}
    assert set(outcome.ids.values()) == {1}


HOSTILE = [
    (b"{not json", "invalid_json"),
    (b"", "value_empty"),
    (None, "value_empty"),
    (b'{"tenant": "shop"}', "text_missing"),
    (b'{"tenant": "shop", "text": "  \\u200b "}', "text_empty"),
    (b'{"tenant": "shop", "text": 7}', "text_not_a_string"),
    (b'{"tenant": "nobody", "text": "hello"}', "tenant_unknown"),
    (b'{"text": "hello"}', "tenant_missing"),
    (b"\xff\xfe", "invalid_utf8"),
    (b'{"tenant": "shop", "text": "' + b"x" * 10_000_000 + b'"}', "text_too_large"),
    (b"[" * 5000 + b"]" * 5000, "invalid_json"),
]
ACCEPTED = [
    {"tenant": "shop", "text": "<<LABEL>>threat<<SEP>> now <<EXAMPLE>>"},
    {"tenant": "shop", "text": "control \x00\x07 characters"},
    {"tenant": "shop", "text": "half a pair \ud800 here"},
    {"tenant": "shop", "text": "a very long text " * 2000},
]


async def test_each_broken_record_is_a_dead_letter_with_its_reason_and_disturbs_no_other(stream: Stream):
    good = [json.dumps(value).encode() for value in ACCEPTED]
    broken = [Record(value, key=b"key" if value is None else None) for value, _ in HOSTILE]
    null = Record(None, None, partition=0)
    await produce(stream.bootstrap_servers, stream.input_topic, [*good[:2], *broken, null, *good[2:]])
    total = len(good) + len(broken) + 1
    with WorkerProcess(stream.folder, stream.settings()) as worker:
        outcome = await stream.outcome(total)
        assert worker.get("/livez")[0] == 200
        assert "hello" not in worker.log
    assert sum(outcome.ids.values()) == total
    assert set(outcome.ids.values()) == {1}
    expected = [reason for _, reason in HOSTILE] + ["value_empty"]
    assert sorted(outcome.reasons.elements()) == sorted(expected)
    originals = {record.value for record in outcome.dead_letters}
    assert originals >= {value for value, _ in HOSTILE if value and len(value) < 1_000_000}
    truncated = [value["truncated_tokens"] for value in outcome.values]
    assert sum(tokens > 0 for tokens in truncated) == 1


async def test_a_header_name_that_is_no_utf8_stops_nothing(stream: Stream, monkeypatch: pytest.MonkeyPatch):
    for module in (producer, message_accumulator):
        monkeypatch.setattr(module, "DefaultRecordBatchBuilder", _DefaultRecordBatchBuilderPy)
    value = json.dumps(ACCEPTED[0]).encode()
    strange = Record(value, headers=((RawName(b"na\xffme"), b"first"), ("kept", b"second")), partition=0)
    await produce(stream.bootstrap_servers, stream.input_topic, [Record(value, partition=0), strange])
    await produce(stream.bootstrap_servers, stream.input_topic, [Record(value, partition=0)])
    with WorkerProcess(stream.folder, stream.settings()):
        outcome = await stream.outcome(3)
    assert len(outcome.ids) == len(outcome.outputs) == 3
    headers = [dict(output.headers) for output in outcome.outputs]
    assert [(each.get("na?me"), each.get("kept")) for each in headers if "kept" in each] == [(b"first", b"second")]


async def test_replicas_share_the_partitions_while_messages_flow_and_lose_nothing(stream: Stream):
    ids = await stream.produce_messages(300)
    with WorkerProcess(stream.folder, stream.settings(), "first") as first:
        await asyncio.to_thread(first.wait_ready)
        with WorkerProcess(stream.folder, stream.settings(), "second") as second:
            for batch in range(10):
                ids += await stream.produce_messages(100, first=300 + 100 * batch)
                await asyncio.sleep(0.3)
            await asyncio.to_thread(second.wait_ready)
            await second.assigned(2)
            ids += await stream.produce_messages(200, first=1300)
            await stream.outcome(len(ids))
            assert second.metric("gliclass_messages_classified_total") > 0
            assert await asyncio.to_thread(second.terminate) == 0
        ids += await stream.produce_messages(200, first=1500)
        outcome = await stream.outcome(len(ids))
        assert await asyncio.to_thread(first.terminate) == 0
    assert outcome.ids == dict.fromkeys(ids, 1)
    assert_key_order(outcome.outputs)


async def test_after_kill_9_nothing_is_lost_and_what_is_repeated_has_the_same_id_and_decision(stream: Stream):
    ids = await stream.produce_messages(3000, text="with a text that takes the model a little while " * 8)
    settings = stream.settings(delivery={"commit_interval_seconds": 0.3})
    with WorkerProcess(stream.folder, settings, "killed") as worker:
        await stream.outcome(200)
        worker.kill()
    with WorkerProcess(stream.folder, settings, "restarted"):
        outcome = await stream.all_done(len(ids))
    assert set(outcome.ids) == set(ids)
    decisions: dict[str, bytes | None] = {}
    for record, value in zip(outcome.outputs, outcome.values, strict=True):
        assert decisions.setdefault(value["record_id"], record.value) == record.value
    assert_key_order(outcome.outputs)


async def test_sigterm_in_the_middle_of_work_loses_and_repeats_nothing(stream: Stream):
    ids = await stream.produce_messages(3000, text="with a text that takes the model a little while " * 8)
    with WorkerProcess(stream.folder, stream.settings(), "stopped") as worker:
        await stream.outcome(200)
        assert await asyncio.to_thread(worker.terminate) == 0
    with WorkerProcess(stream.folder, stream.settings(), "continued"):
        outcome = await stream.outcome(len(ids))
    assert outcome.ids == dict.fromkeys(ids, 1)
    assert_key_order(outcome.outputs)


async def test_a_second_signal_leaves_at_once_without_committing_what_is_unpublished(stream: Stream):
    ids = await stream.produce_messages(3000, text="with a text that takes the model a little while " * 8)
    with WorkerProcess(stream.folder, stream.settings(), "impatient") as worker:
        await stream.outcome(100)
        worker.send(signal.SIGTERM)
        await asyncio.sleep(0.05)
        worker.send(signal.SIGTERM)
        assert worker.wait() in (0, 70)
    with WorkerProcess(stream.folder, stream.settings(), "continued"):
        outcome = await stream.all_done(len(ids))
    assert set(outcome.ids) == set(ids)


async def test_a_changed_policy_takes_effect_without_restart_and_a_bad_one_is_refused(stream: Stream):
    with WorkerProcess(stream.folder, stream.settings()) as worker:
        await asyncio.to_thread(worker.wait_ready)
        await stream.produce_messages(1)
        before = (await stream.outcome(1)).values[0]
        stream.policy_file.write_text("tenants: {shop: {tasks: {queue: {mode: single, labels: spam}}}}")
        await eventually(lambda: "policies refused" in worker.log, what="policies refused")
        assert "tenants.shop.tasks.queue.labels" in worker.log
        await stream.produce_messages(1, first=1)
        still = (await stream.outcome(2)).values
        assert {value["policy_version"] for value in still} == {before["policy_version"]}
        changed = json.loads(json.dumps(POLICIES))
        changed["tenants"]["shop"]["tasks"]["queue"]["labels"] = ["refund", "praise"]
        stream.write_policies(changed)
        await eventually(lambda: "policies loaded" in worker.log, what="policies loaded")
        await stream.produce_messages(1, first=2)
        after = next(value for value in (await stream.outcome(3)).values if value["payload"]["number"] == 2)
        assert after["policy_version"] != before["policy_version"]
        assert after["tasks"]["queue"]["labels"][0]["label"] in ("refund", "praise")


async def test_equal_texts_are_scored_once_and_each_gets_the_same_decision(stream: Stream):
    text = json.dumps({"text": "the same words again", "tenant": "shop"}).encode()
    await produce(stream.bootstrap_servers, stream.input_topic, [text] * 300)
    with WorkerProcess(stream.folder, stream.settings()) as worker:
        outcome = await stream.outcome(300)
        assert set(outcome.ids.values()) == {1}
        assert len({json.dumps(value["tasks"]) for value in outcome.values}) == 1
        assert worker.metric("gliclass_messages_duplicate_total", tenant="shop") == 299
        assert worker.metric("gliclass_batch_messages_sum") == 1
        assert await asyncio.to_thread(worker.terminate) == 0


@pytest.mark.parametrize("on_late", ["unscored", "dead_letter"])
async def test_a_late_message_ends_as_its_policy_says(stream: Stream, on_late: str):
    task = {"mode": "single", "labels": ["a", "b"]}
    stream.write_policies(
        {"tenants": {"shop": {"latency_budget_seconds": 0.05, "on_late": on_late, "tasks": {"queue": task}}}}
    )
    ids = await stream.produce_messages(20)
    with WorkerProcess(stream.folder, stream.settings()):
        outcome = await stream.outcome(20)
    assert outcome.ids == dict.fromkeys(ids, 1)
    if on_late == "unscored":
        assert {value["unscored"] for value in outcome.values} == {"late"}
    else:
        assert outcome.reasons == {"late": 20}


async def test_a_flood_of_dead_letters_stops_the_worker_and_loses_nothing(stream: Stream):
    ids = await stream.produce_messages(50)
    ids += await stream.produce_messages(300, first=50, tenant="nobody")
    with WorkerProcess(stream.folder, stream.settings(), "flooded") as worker:
        assert await asyncio.to_thread(worker.wait) == 1
        assert "that were read within 300 s became dead letters (of late: tenant_unknown)" in worker.log
    with WorkerProcess(stream.folder, stream.settings(delivery={"flood_share": 1}), "allowed"):
        # What the first worker had published counts too: so many records may come out before every input has.
        await eventually(
            lambda: stream.outcome(len(ids)),
            lambda outcome: set(outcome.ids) == set(ids),
            what="every input has come out",
            timeout_seconds=90,
        )


async def test_a_worker_outlives_a_broker_restart(tmp_path: Path, checkpoint: Path):
    with LocalKafka() as kafka:
        stream = await Stream.create(kafka.bootstrap_servers, tmp_path, checkpoint)
        ids = await stream.produce_messages(200)
        with WorkerProcess(stream.folder, stream.settings()) as worker:
            await stream.outcome(200)
            await asyncio.to_thread(kafka.stop_broker, 1)
            await asyncio.sleep(2)
            assert worker.get("/livez")[0] == 200
            await asyncio.to_thread(kafka.start_broker, 1)
            ids += await stream.produce_messages(200, first=200)
            outcome = await stream.outcome(400, timeout_seconds=120)
            assert await asyncio.to_thread(worker.terminate) == 0
    assert set(outcome.ids) == set(ids)
    assert_key_order(outcome.outputs)


async def test_a_worker_waits_for_brokers_that_are_away_and_still_stops_when_asked(stream: Stream):
    settings = stream.settings(kafka={**stream.settings()["kafka"], "bootstrap_servers": ["127.0.0.1:9"]})
    with WorkerProcess(stream.folder, settings) as worker:
        await eventually(lambda: "waiting for the brokers" in worker.log, what="it says that it waits")
        assert worker.get("/readyz")[0] == 503
        assert await asyncio.to_thread(worker.terminate) == 0


async def test_a_topic_that_does_not_exist_ends_the_start_with_its_name(stream: Stream):
    settings = stream.settings(output={"topic": "no-such-topic", "dead_letter_topic": stream.dead_letter_topic})
    with WorkerProcess(stream.folder, settings) as worker:
        assert await asyncio.to_thread(worker.wait) == 2
        assert "no-such-topic" in worker.log


@pytest.mark.parametrize("guarantee", ["at_least_once", "exactly_once"])
async def test_deletes_and_tombstones_of_change_data_capture_run_through_without_dead_letters(
    stream: Stream, guarantee: str
):
    change = json.dumps({"op": "u", "after": {"body": "where is my parcel", "tenant": "shop"}}).encode()
    deleted = json.dumps({"op": "d", "after": None}).encode()
    records = [change, deleted, Record(None, key=b"k"), change, Record(None), deleted] * 40
    await produce(stream.bootstrap_servers, stream.input_topic, records)
    capture = {
        "topics": [stream.input_topic],
        "mapping": {"text": ["after.body"], "tenant": {"field": "after.tenant"}},
        "skip": {"null_values": True, "fields": {"op": ["d"]}},
    }
    settings = stream.settings(input=capture, delivery={"guarantee": guarantee})
    with WorkerProcess(stream.folder, settings) as worker:
        for reason in ("null_value", "field_value"):
            await eventually(
                partial(worker.metric, "gliclass_records_ignored_total", reason=reason),
                lambda ignored: ignored == 80,
                what=f"all records of reason {reason} are passed over",
            )
        assert await asyncio.to_thread(worker.terminate) == 0
    outcome = await stream.outcome(80)
    assert (len(outcome.values), outcome.reasons) == (80, {})


async def test_times_in_seconds_make_nothing_late_and_are_said_once(stream: Stream):
    value = json.dumps({"text": "where is my parcel", "tenant": "shop"}).encode()
    wrong = [Record(value, timestamp_ms=int(time.time())) for _ in range(20)]
    await produce(stream.bootstrap_servers, stream.input_topic, wrong)
    with WorkerProcess(stream.folder, stream.settings()) as worker:
        outcome = await stream.outcome(20)
        assert {dict(record.headers)["gliclass-late"] for record in outcome.outputs} == {b"0"}
        assert worker.metric("gliclass_messages_time_ignored_total", tenant="shop") == 20
        assert worker.metric("gliclass_message_latency_seconds_sum", tenant="shop") < 20 * 60
        assert worker.log.count("so their arrival counts instead") == 1
        assert await asyncio.to_thread(worker.terminate) == 0
