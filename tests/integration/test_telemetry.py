"""What a real worker tells of itself: traces that join the producer's, metrics, health, logs."""

import asyncio
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Status
from support.collector import Collector, attributes, running_collector
from support.eventually import eventually
from support.kafka import Record, produce, unique_name, wait_for_records
from support.stream import Stream
from support.worker_process import WorkerProcess, from_command_line

from worker.demo.kafka_properties import free_ports
from worker.demo.local_kafka import LocalKafka

pytestmark = pytest.mark.integration

POLICIES = {
    "tenants": {
        "acme": {
            "latency_budget_seconds": 30,
            "tasks": {
                "topic": {"mode": "single", "labels": ["billing", "delivery"]},
                "abuse": {"mode": "multi", "labels": ["insult", "threat"], "threshold": 0.5},
            },
        }
    }
}
PARENT_SPAN = "b7ad6b7169203331"
SECRET_TEXT = "the quick brown fox owes 17 pounds"


@dataclass
class Observed:
    """A worker on a stream of its own, and the collector it reports to."""

    stream: Stream
    worker: WorkerProcess
    collector: Collector

    async def send(self, *records: Record) -> None:
        await produce(self.stream.bootstrap_servers, self.stream.input_topic, list(records))

    async def receive(self, trace_id: str | None = None, topic: str | None = None, count: int = 1) -> list[Any]:
        """Output records, once there are `count` (of that trace)."""
        wanted: list[Any] = []
        total = count
        while len(wanted) < count:
            found = await wait_for_records(self.stream.bootstrap_servers, topic or self.stream.output_topic, total)
            wanted = [record for record in found if trace_id is None or trace_id in header(record, "traceparent")]
            total = len(found) + 1
        return wanted


def header(record: Any, name: str) -> str:
    """The one value of that header, "" when there is none."""
    values = [value.decode() for key, value in record.headers if key == name]
    assert len(values) <= 1, f"{name} stands {len(values)} times"
    return values[0] if values else ""


numbers = itertools.count()


def message(tenant: str = "acme") -> bytes:
    """A text that never came before: an equal one would take its score, and count in other places."""
    return json.dumps({"tenant": tenant, "text": f"{SECRET_TEXT}, number {next(numbers)}"}).encode()


@pytest.fixture(scope="module")
def observed(kafka: LocalKafka, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    folder = tmp_path_factory.mktemp("telemetry")
    stream = asyncio.run(Stream.create(kafka.bootstrap_servers, folder, checkpoint, partitions=2))
    stream.write_policies(POLICIES)
    with running_collector() as collector, pytest.MonkeyPatch.context() as environment:
        environment.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")  # milliseconds; OpenTelemetry's own default is 5 s
        # Ratio 0: only what a producer decided to sample is traced, so each test knows its own spans.
        settings = stream.settings(telemetry={"otlp_endpoint": collector.url, "trace_sampling_ratio": 0})
        with WorkerProcess(folder, settings, launch=from_command_line) as worker:
            worker.wait_ready()
            yield Observed(stream, worker, collector)
            assert worker.terminate() == 0


async def test_the_output_continues_the_producers_trace(observed: Observed) -> None:
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    traceparent = f"00-{trace_id}-{PARENT_SPAN}-01".encode()
    sent = (("order", b"7"), ("traceparent", traceparent), ("tracestate", b"vendor=abc"))
    await observed.send(Record(message(), headers=sent))
    (output,) = await observed.receive(trace_id)
    version, carried_trace, carried_span, flags = header(output, "traceparent").split("-")
    assert (version, carried_trace, flags) == ("00", trace_id, "01")
    assert carried_span != PARENT_SPAN
    assert header(output, "tracestate") == "vendor=abc"
    assert header(output, "order") == "7"

    processed = await asyncio.to_thread(observed.collector.wait_for, f"process {observed.stream.input_topic}", 1)
    (span,) = [span for span in processed if span.trace_id.hex() == trace_id]
    assert span.span_id.hex() == carried_span
    assert span.parent_span_id.hex() == PARENT_SPAN
    assert attributes(span)["messaging.destination.name"] == observed.stream.input_topic
    assert [event.name for event in span.events] == ["admit", "queue", "score", "decide", "publish"]

    batches = await asyncio.to_thread(observed.collector.wait_for, "score batch", 1)
    links = [link.span_id.hex() for batch in batches for link in batch.links]
    assert carried_span in links
    assert observed.collector.resource_attributes["service.name"] == "gliclass-worker"


async def test_the_producers_decision_not_to_sample_travels_on(observed: Observed) -> None:
    trace_id = "1bf7651916cd43dd8448eb211c80319c"
    await observed.send(Record(message(), headers=(("traceparent", f"00-{trace_id}-{PARENT_SPAN}-00".encode()),)))
    (output,) = await observed.receive(trace_id)
    _, _, carried_span, flags = header(output, "traceparent").split("-")
    assert (carried_span != PARENT_SPAN, flags) == (True, "00")


async def test_a_broken_context_is_replaced_by_a_new_one(observed: Observed) -> None:
    await observed.send(Record(message(), headers=(("traceparent", b"\xffnonsense"), ("mark", b"broken-context"))))
    outputs = await eventually(
        observed.receive, lambda records: any(header(record, "mark") for record in records), what="the output is there"
    )
    (output,) = [record for record in outputs if header(record, "mark")]
    assert [len(part) for part in header(output, "traceparent").split("-")] == [2, 32, 16, 2]


async def test_a_dead_letter_keeps_the_producers_headers_and_its_span_says_why(observed: Observed) -> None:
    trace_id = "2cf7651916cd43dd8448eb211c80319c"
    traceparent = f"00-{trace_id}-{PARENT_SPAN}-01".encode()
    await observed.send(Record(b"{not json", headers=(("traceparent", traceparent),)))
    (dead,) = await observed.receive(trace_id, observed.stream.dead_letter_topic)
    assert header(dead, "traceparent") == traceparent.decode()
    processed = await asyncio.to_thread(observed.collector.wait_for, f"process {observed.stream.input_topic}", 2)
    (span,) = [span for span in processed if span.trace_id.hex() == trace_id]
    assert span.status.code == Status.STATUS_CODE_ERROR
    assert attributes(span)["error.type"] == "invalid_json"


async def test_metrics_count_what_went_through(observed: Observed) -> None:
    worker = observed.worker

    def counted() -> dict[str, float]:
        return {
            "consumed": worker.metric("gliclass_records_consumed_total", topic=observed.stream.input_topic),
            "published": worker.metric("gliclass_records_published_total", topic=observed.stream.output_topic),
            "dead": worker.metric("gliclass_records_dead_lettered_total", reason="tenant_unknown"),
            "classified": worker.metric("gliclass_messages_classified_total", tenant="acme"),
            "on_time": worker.metric("gliclass_messages_on_time_total", tenant="acme"),
            "late": worker.metric("gliclass_messages_late_total", tenant="acme"),
            "latency": worker.metric("gliclass_message_latency_seconds_count", tenant="acme"),
            "scored": worker.metric("gliclass_stage_duration_seconds_count", stage="score"),
            "batched": worker.metric("gliclass_batch_messages_sum"),
        }

    before = await asyncio.to_thread(counted)
    await observed.send(*[Record(message()) for _ in range(60)])
    await observed.send(*[Record(message(tenant="nobody")) for _ in range(5)])

    def added() -> dict[str, float]:
        after = counted()
        return {name: after[name] - before[name] for name in after}

    counts = await eventually(
        added,
        lambda counts: (
            min(counts[each] for each in ("classified", "published", "latency")) >= 60 and counts["dead"] >= 5
        ),
        what="65 records counted",
    )
    assert counts["on_time"] + counts["late"] == 60
    del counts["on_time"], counts["late"]
    assert counts == {
        "consumed": 65,
        "published": 60,
        "dead": 5,
        "classified": 60,
        "latency": 60,
        "scored": 60,
        "batched": 60,
    }
    assert worker.metric("gliclass_batches_total") > 0
    assert worker.metric("gliclass_batch_tokens_sum") > 0
    assert worker.metric("gliclass_device_busy_seconds_total") > 0
    assert worker.metric("gliclass_model_info") == 1
    assert worker.metric("gliclass_build_info") == 1
    assert worker.metric("gliclass_policy_info", tenant="acme") == 1


async def test_metrics_show_the_backlog_going_to_nothing(observed: Observed) -> None:
    worker = observed.worker
    await observed.send(*[Record(message()) for _ in range(20)])
    for name in ("in_flight_messages", "in_flight_bytes", "queue_messages", "partition_lag_records"):
        await eventually(lambda name=name: worker.metric(f"gliclass_{name}"), lambda number: number == 0, what=name)
    assert worker.metric("gliclass_assigned_partitions") == 2
    assert worker.metric("gliclass_consumption_paused") == 0
    assert worker.metric("gliclass_commit_duration_seconds_count") > 0
    assert worker.metric("gliclass_event_loop_lag_seconds_count") > 0


async def test_a_worker_at_work_is_live_and_ready(observed: Observed) -> None:
    for path, name in (("/livez", "live"), ("/readyz", "ready")):
        status, body = await asyncio.to_thread(observed.worker.get, path)
        assert (status, json.loads(body)) == (200, {name: True, "reasons": []})
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(f"http://127.0.0.1:{observed.worker.port}/readyz")
    assert answer.status_code == 405


async def test_logs_are_json_without_a_line_per_message_or_a_word_of_them(observed: Observed) -> None:
    worker = observed.worker
    lines = [line for line in worker.log.splitlines() if line]
    classified = worker.metric("gliclass_messages_classified_total")
    await observed.send(*[Record(message()) for _ in range(100)])
    await eventually(
        lambda: worker.metric("gliclass_messages_classified_total"),
        lambda number: number >= classified + 100,
        what="100 more classified",
    )
    assert SECRET_TEXT not in worker.log
    assert len([line for line in worker.log.splitlines() if line]) - len(lines) < 10
    for line in lines:
        assert {"event", "level", "timestamp"} <= json.loads(line).keys()


async def test_a_worker_without_brokers_lives_but_is_not_ready_and_says_so_once(
    tmp_path: Path, checkpoint: Path
) -> None:
    nobody = f"127.0.0.1:{free_ports(1)[0]}"
    stream = Stream(nobody, tmp_path, checkpoint, "in", "out", "dead", unique_name("group"))
    stream.write_policies(POLICIES)
    with WorkerProcess(tmp_path, stream.settings()) as worker:
        await eventually(lambda: worker.get("/readyz"), lambda answer: answer[0] == 503, what="not ready")
        await eventually(lambda: "waiting for the brokers" in worker.log, what="it says that it waits")
        assert worker.get("/livez")[0] == 200
        reasons = json.loads(worker.get("/readyz")[1])["reasons"]
        assert any(reason.startswith("assigned: ") for reason in reasons)
        assert worker.terminate() == 0
        complaints = [event for event in worker.events if event["level"] in ("warning", "error")]
        assert len(complaints) == len({event["event"] for event in complaints}), complaints
