import sys
import threading
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from support.collector import attributes, running_collector

from schemas.records import HEADER_TRACEPARENT, HEADER_TRACESTATE
from worker.errors import MissingExporterError
from worker.telemetry.metrics import Stage
from worker.telemetry.tracing import MAX_LINKS, NOT_TRACED, Tracing, otlp_exporter

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
SPAN_ID = "b7ad6b7169203331"
SAMPLED = ("traceparent", f"00-{TRACE_ID}-{SPAN_ID}-01".encode())
UNSAMPLED = ("traceparent", f"00-{TRACE_ID}-{SPAN_ID}-00".encode())
STATE = ("tracestate", b"vendor=abc,other=1")


def tracing_into(exporter: SpanExporter, sample_ratio: float = 1.0) -> Tracing:
    return Tracing(exporter, sample_ratio=sample_ratio, consumer_group="workers", instance_id="w-1", version="1.2.3")


async def spans_of(tracing: Tracing, exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    assert await tracing.stop(timeout_seconds=10)
    return {span.name: span for span in exporter.get_finished_spans()}


def parts(headers: Sequence[tuple[str, bytes | None]]) -> list[str]:
    value = dict(headers)["traceparent"]
    assert value is not None
    return value.decode().split("-")


def test_the_header_names_are_those_of_w3c_trace_context() -> None:
    assert TraceContextTextMapPropagator().fields == {HEADER_TRACEPARENT, HEADER_TRACESTATE}


async def test_the_process_span_is_a_child_of_the_producers() -> None:
    exporter = InMemorySpanExporter()
    tracing = tracing_into(exporter)
    message = tracing.start_message([("other", b"1"), SAMPLED, STATE], "tickets", 3, 42)
    message.finish()
    span = (await spans_of(tracing, exporter))["process tickets"]
    assert span.kind is SpanKind.CONSUMER
    assert span.parent is not None
    assert f"{span.parent.trace_id:032x}" == TRACE_ID
    assert f"{span.parent.span_id:016x}" == SPAN_ID
    assert span.attributes == {
        "messaging.system": "kafka",
        "messaging.consumer.group.name": "workers",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "tickets",
        "messaging.destination.partition.id": "3",
        "messaging.kafka.offset": 42,
    }
    assert span.resource.attributes["service.name"] == "gliclass-worker"
    assert span.resource.attributes["service.instance.id"] == "w-1"


async def test_the_output_record_carries_the_new_context_in_place_of_the_producers() -> None:
    tracing = tracing_into(InMemorySpanExporter())
    message = tracing.start_message([SAMPLED, STATE], "tickets", 0, 0)
    headers = message.replace_in([("keep", b"1"), SAMPLED, STATE, ("keep", None), SAMPLED])
    assert headers[:2] == [("keep", b"1"), ("keep", None)]
    assert [name for name, _ in headers[2:]] == ["traceparent", "tracestate"]
    assert dict(headers)["tracestate"] == STATE[1]
    version, trace_id, span_id, flags = parts(headers)
    assert (version, trace_id, flags) == ("00", TRACE_ID, "01")
    assert span_id != SPAN_ID
    await tracing.stop(10)


async def test_the_producers_decision_not_to_sample_is_kept_and_passed_on() -> None:
    exporter = InMemorySpanExporter()
    tracing = tracing_into(exporter, sample_ratio=1.0)
    message = tracing.start_message([UNSAMPLED], "tickets", 0, 0)
    _, trace_id, span_id, flags = parts(message.replace_in([UNSAMPLED]))
    assert (trace_id, flags) == (TRACE_ID, "00")
    assert span_id != SPAN_ID
    message.finish({Stage.SCORE: 1.0})
    assert await spans_of(tracing, exporter) == {}


@pytest.mark.parametrize(("ratio", "low_bit"), [(1.0, 1), (0.0, 0)])
async def test_a_record_without_context_starts_a_trace_that_the_ratio_decides(ratio: float, low_bit: int) -> None:
    exporter = InMemorySpanExporter()
    tracing = tracing_into(exporter, sample_ratio=ratio)
    message = tracing.start_message([], "tickets", 0, 0)
    assert int(parts(message.headers())[3], 16) & 1 == low_bit
    message.finish()
    assert len(await spans_of(tracing, exporter)) == low_bit


async def test_without_an_exporter_headers_pass_through_untouched() -> None:
    tracing = Tracing(None)
    message = tracing.start_message([SAMPLED, STATE], "tickets", 0, 0)
    assert message is NOT_TRACED
    assert message.replace_in([SAMPLED, ("a", None), STATE]) == [SAMPLED, ("a", None), STATE]
    assert message.headers() == []
    tracing.start_batch([message], 1, 10).finish()
    message.finish({Stage.ADMIT: 0.1}, {"gliclass.tenant": "acme"})
    assert await tracing.stop(0.0)


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"\xff\xfe",
        b"00-0-0-01",
        f"00-{'0' * 32}-{SPAN_ID}-01".encode(),
        f"00-{TRACE_ID}-{'0' * 16}-01".encode(),
        f"ff-{TRACE_ID}-{SPAN_ID}-01".encode(),
        f"00-{TRACE_ID}-{SPAN_ID}-01-more".encode(),
        b"0" * 100_000,
    ],
)
async def test_a_malformed_context_starts_a_new_trace(value: bytes | None) -> None:
    tracing = tracing_into(InMemorySpanExporter())
    headers = tracing.start_message([("traceparent", value)], "tickets", 0, 0).replace_in([("traceparent", value)])
    assert [name for name, _ in headers] == ["traceparent"]
    assert parts(headers)[1] != TRACE_ID
    await tracing.stop(10)


async def test_a_context_of_a_later_version_is_understood() -> None:
    tracing = tracing_into(InMemorySpanExporter())
    later = ("traceparent", f"01-{TRACE_ID}-{SPAN_ID}-01-what-is-new".encode())
    assert parts(tracing.start_message([later], "tickets", 0, 0).headers())[1] == TRACE_ID
    await tracing.stop(10)


SHARED = tracing_into(InMemorySpanExporter())


@given(
    st.lists(
        st.tuples(st.sampled_from(["traceparent", "tracestate", "x"]), st.none() | st.binary(max_size=80)), max_size=4
    )
)
def test_no_header_of_a_record_can_raise(headers: list[tuple[str, bytes | None]]) -> None:
    message = SHARED.start_message(headers, "tickets", 0, 0)
    carried = message.replace_in(headers)
    assert len(parts(carried)) == 4


async def test_stages_become_events_at_the_moment_each_ended() -> None:
    exporter = InMemorySpanExporter()
    tracing = tracing_into(exporter)
    message = tracing.start_message([SAMPLED], "tickets", 0, 0)
    message.finish({Stage.ADMIT: 0.25, Stage.QUEUE: 0.5}, {"gliclass.tenant": "acme"})
    span = (await spans_of(tracing, exporter))["process tickets"]
    assert span.start_time is not None
    assert [(event.name, event.timestamp - span.start_time) for event in span.events] == [
        ("admit", 250_000_000),
        ("queue", 750_000_000),
    ]
    durations = [(event.attributes or {})["gliclass.stage.duration_seconds"] for event in span.events]
    assert durations == [0.25, 0.5]
    assert (span.attributes or {})["gliclass.tenant"] == "acme"
    assert span.status.status_code is StatusCode.UNSET


async def test_a_dead_letter_is_an_error_of_its_reason() -> None:
    exporter = InMemorySpanExporter()
    tracing = tracing_into(exporter)
    tracing.start_message([SAMPLED], "tickets", 0, 0).finish(error_type="invalid_json")
    span = (await spans_of(tracing, exporter))["process tickets"]
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})["error.type"] == "invalid_json"


async def test_a_batch_and_its_sampled_messages_are_linked_both_ways() -> None:
    exporter = InMemorySpanExporter()
    tracing = tracing_into(exporter)
    sampled = tracing.start_message([SAMPLED], "tickets", 0, 0)
    unsampled = tracing.start_message([UNSAMPLED], "tickets", 0, 1)
    batch = tracing.start_batch([sampled, unsampled], message_count=2, token_count=300)
    batch.finish()
    sampled.finish()
    unsampled.finish()
    spans = await spans_of(tracing, exporter)
    assert set(spans) == {"process tickets", "score batch"}
    message_span, batch_span = spans["process tickets"], spans["score batch"]
    assert [link.context for link in batch_span.links] == [message_span.context]
    assert [link.context for link in message_span.links] == [batch_span.context]
    assert batch_span.parent is None
    assert (batch_span.attributes or {})["messaging.batch.message_count"] == 2
    assert (batch_span.attributes or {})["gliclass.batch.token_count"] == 300


async def test_a_batch_without_a_sampled_message_has_no_span() -> None:
    exporter = InMemorySpanExporter()
    tracing = tracing_into(exporter)
    message = tracing.start_message([UNSAMPLED], "tickets", 0, 0)
    tracing.start_batch([message], 1, 10).finish()
    assert await spans_of(tracing, exporter) == {}


async def test_a_batch_span_is_kept_however_small_the_ratio() -> None:
    exporter = InMemorySpanExporter()
    tracing = tracing_into(exporter, sample_ratio=0.0)
    tracing.start_batch([tracing.start_message([SAMPLED], "tickets", 0, 0)], 1, 10).finish()
    assert "score batch" in await spans_of(tracing, exporter)


async def test_links_of_a_huge_batch_are_capped() -> None:
    exporter = InMemorySpanExporter()
    tracing = tracing_into(exporter)
    messages = [tracing.start_message([], "tickets", 0, offset) for offset in range(MAX_LINKS + 5)]
    tracing.start_batch(messages, len(messages), 10).finish()
    assert len((await spans_of(tracing, exporter))["score batch"].links) == MAX_LINKS


async def test_a_failed_batch_tells_the_class_of_the_error_and_not_its_words() -> None:
    exporter = InMemorySpanExporter()
    tracing = tracing_into(exporter)
    batch = tracing.start_batch([tracing.start_message([SAMPLED], "tickets", 0, 0)], 1, 10)
    batch.finish(error=RuntimeError("words of a customer"))
    span = (await spans_of(tracing, exporter))["score batch"]
    assert span.status.description == "RuntimeError"
    assert "words" not in span.to_json()


class StuckExporter(SpanExporter):
    def __init__(self) -> None:
        self.may_go_on = threading.Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.may_go_on.wait()
        return SpanExportResult.SUCCESS


async def test_stopping_does_not_wait_for_a_collector_that_hangs() -> None:
    exporter = StuckExporter()
    tracing = tracing_into(exporter)
    tracing.start_message([SAMPLED], "tickets", 0, 0).finish()
    assert not await tracing.stop(timeout_seconds=0.05)
    assert tracing.start_message([SAMPLED], "tickets", 0, 1) is NOT_TRACED
    exporter.may_go_on.set()


def test_an_endpoint_without_the_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(MissingExporterError, match=r"gliclass-worker\[otlp\]"):
        otlp_exporter("http://127.0.0.1:4318")


@pytest.mark.parametrize(
    "endpoint", ["http://127.0.0.1:4318", "http://127.0.0.1:4318/", "http://127.0.0.1:4318/v1/traces"]
)
def test_the_path_of_traces_is_added_to_a_base_url(endpoint: str) -> None:
    exporter = otlp_exporter(endpoint)
    try:
        assert vars(exporter)["_endpoint"] == "http://127.0.0.1:4318/v1/traces"
    finally:
        exporter.shutdown()


async def test_spans_reach_a_collector_over_otlp() -> None:
    with running_collector() as collector:
        tracing = tracing_into(otlp_exporter(collector.url))
        message = tracing.start_message([SAMPLED, STATE], "tickets", 3, 42)
        message.finish({Stage.ADMIT: 0.25}, {"gliclass.tenant": "acme"})
        assert await tracing.stop(timeout_seconds=30)
        (span,) = collector.wait_for("process tickets", 1)
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE_ID, SPAN_ID)
    assert attributes(span)["gliclass.tenant"] == "acme"
    assert attributes(span)["messaging.kafka.offset"] == 42
    assert [event.name for event in span.events] == ["admit"]
    assert collector.resource_attributes["service.name"] == "gliclass-worker"


async def test_a_span_says_whose_message_it_is() -> None:
    exporter = InMemorySpanExporter()
    tracing = tracing_into(exporter)
    message = tracing.start_message([SAMPLED], "tickets", 0, 0)
    message.belongs_to("shop")
    message.finish()
    span = (await spans_of(tracing, exporter))["process tickets"]
    assert span.attributes is not None
    assert span.attributes["gliclass.tenant"] == "shop"
    NOT_TRACED.belongs_to("shop")


async def test_what_the_standard_variables_say_of_this_process_goes_before_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.instance.id=pod-7,team=moderation")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "moderation-worker")
    exporter = InMemorySpanExporter()
    tracing = tracing_into(exporter)
    tracing.start_message([SAMPLED], "tickets", 0, 0).finish()
    attributes = (await spans_of(tracing, exporter))["process tickets"].resource.attributes
    assert attributes["service.instance.id"] == "pod-7"
    assert attributes["service.name"] == "moderation-worker"
    assert attributes["team"] == "moderation"
    assert attributes["service.version"] == "1.2.3"
