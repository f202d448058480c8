"""Trace context from the input record to the output record, and the spans between (OpenTelemetry messaging semantics).

Instrumented by hand: a message that is not sampled costs a few microseconds, and without an exporter none at all.
"""

import asyncio
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import (
    SERVICE_INSTANCE_ID,
    SERVICE_NAME,
    SERVICE_VERSION,
    OTELResourceDetector,
    Resource,
)
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased, TraceIdRatioBased
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from schemas.records import HEADER_TRACEPARENT, HEADER_TRACESTATE
from worker.errors import MissingExporterError
from worker.telemetry.metrics import Stage

Headers = Sequence[tuple[str, bytes | None]]

MAX_LINKS = 128
"""Messages a batch span links to, at most; the OpenTelemetry SDK's own limit."""

TENANT = "gliclass.tenant"

_MAX_HEADER_BYTES = 512
_W3C = TraceContextTextMapPropagator()
_CONTEXT_HEADERS = frozenset({HEADER_TRACEPARENT, HEADER_TRACESTATE})
_ROOT = Context()


def otlp_exporter(endpoint: str) -> SpanExporter:
    """Exporter to an OTLP/HTTP collector at a base URL such as `http://collector:4318`.

    Headers, certificates and timeouts come from the standard `OTEL_EXPORTER_OTLP_*` variables.
    Raises MissingExporterError without the extra `otlp`.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError as error:
        raise MissingExporterError(
            "telemetry: an OTLP endpoint is set but the exporter is not installed; "
            "install the extra: pip install 'gliclass-worker[otlp]'"
        ) from error
    url = endpoint.rstrip("/")
    return OTLPSpanExporter(endpoint=url if url.endswith("/v1/traces") else f"{url}/v1/traces")


class MessageTrace:
    """The `process` span of one message; also stands for a message that is not traced."""

    __slots__ = ("_span",)

    def __init__(self, span: Span) -> None:
        self._span = span

    @property
    def span(self) -> Span:
        return self._span

    def belongs_to(self, tenant: str) -> None:
        """Whose message it is, once that is known."""
        if self._span.is_recording():
            self._span.set_attribute(TENANT, tenant)

    def headers(self) -> list[tuple[str, bytes]]:
        """The headers that carry this span's context to whoever reads the output record; none when not traced."""
        context = self._span.get_span_context()
        if not context.is_valid:
            return []
        carrier: dict[str, str] = {}
        _W3C.inject(carrier, trace.set_span_in_context(self._span, _ROOT))
        return [(name, value.encode("ascii")) for name, value in carrier.items()]

    def replace_in(self, headers: Headers) -> list[tuple[str, bytes | None]]:
        """The given headers with this span's context in place of the producer's; unchanged when not traced."""
        own = self.headers()
        if not own:
            return list(headers)
        return [header for header in headers if header[0] not in _CONTEXT_HEADERS] + own

    def finish(
        self,
        stage_seconds: Mapping[Stage, float] | None = None,
        attributes: Mapping[str, Any] | None = None,
        error_type: str | None = None,
    ) -> None:
        """End the span: one event per stage at the moment the stage ended, and an error status with `error_type`."""
        span = self._span
        if not span.is_recording():
            return
        if stage_seconds and isinstance(span, ReadableSpan):
            ended_ns = span.start_time or time.time_ns()
            for stage, seconds in stage_seconds.items():
                ended_ns += int(seconds * 1e9)
                span.add_event(stage, {"gliclass.stage.duration_seconds": seconds}, timestamp=ended_ns)
        if attributes:
            span.set_attributes(attributes)
        if error_type is not None:
            span.set_attribute("error.type", error_type)
            span.set_status(Status(StatusCode.ERROR, error_type))
        span.end()


class BatchTrace:
    """The span of one batch on the device."""

    __slots__ = ("_span",)

    def __init__(self, span: Span) -> None:
        self._span = span

    def finish(self, error: BaseException | None = None) -> None:
        """End the span; of an error only the class is told, because its message may quote a text."""
        if error is not None:
            self._span.set_attribute("error.type", type(error).__qualname__)
            self._span.set_status(Status(StatusCode.ERROR, type(error).__qualname__))
        self._span.end()


NOT_TRACED = MessageTrace(trace.INVALID_SPAN)
_NO_BATCH = BatchTrace(trace.INVALID_SPAN)


class Tracing:
    """Starts the spans of messages and batches and hands them to an exporter in the background.

    Without an exporter nothing is recorded and a record's own context passes through untouched, as OpenTelemetry asks
    of a participant that does not record: a new span id would break the trace of whoever reads the output.
    """

    def __init__(
        self,
        exporter: SpanExporter | None,
        *,
        sample_ratio: float = 1.0,
        consumer_group: str = "",
        instance_id: str = "",
        version: str = "",
    ) -> None:
        self._processor: SpanProcessor | None = None
        self._attributes = {"messaging.system": "kafka", "messaging.consumer.group.name": consumer_group}
        if exporter is None:
            return
        ours = {SERVICE_NAME: "gliclass-worker", SERVICE_INSTANCE_ID: instance_id, SERVICE_VERSION: version}
        # What OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME say goes before it.
        resource = Resource.create(ours | dict(OTELResourceDetector().detect().attributes))
        self._processor = BatchSpanProcessor(exporter)
        by_message = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(sample_ratio)), resource=resource, shutdown_on_exit=False
        )
        # A batch span is started only for a batch with a sampled message; a ratio on top would lose nearly all of them.
        by_batch = TracerProvider(sampler=ALWAYS_ON, resource=resource, shutdown_on_exit=False)
        for provider in (by_message, by_batch):
            provider.add_span_processor(self._processor)
        self._messages = by_message.get_tracer("gliclass_worker", version)
        self._batches = by_batch.get_tracer("gliclass_worker", version)

    def start_message(self, headers: Headers, topic: str, partition: int, offset: int) -> MessageTrace:
        """Start the `process` span of a delivered record, child of the producer's context if it carries a valid one."""
        if self._processor is None:
            return NOT_TRACED
        span = self._messages.start_span(f"process {topic}", _producer_context(headers), SpanKind.CONSUMER)
        if span.is_recording():
            span.set_attributes(
                self._attributes
                | {
                    "messaging.operation.name": "process",
                    "messaging.operation.type": "process",
                    "messaging.destination.name": topic,
                    "messaging.destination.partition.id": str(partition),
                    "messaging.kafka.offset": offset,
                }
            )
        return MessageTrace(span)

    def start_batch(self, messages: Iterable[MessageTrace], message_count: int, token_count: int) -> BatchTrace:
        """Start the span of a batch, linked both ways with its sampled messages (MAX_LINKS at most)."""
        if self._processor is None:
            return _NO_BATCH
        sampled = [message.span for message in messages if message.span.is_recording()][:MAX_LINKS]
        if not sampled:
            return _NO_BATCH
        batch = self._batches.start_span(
            "score batch",
            _ROOT,
            SpanKind.INTERNAL,
            attributes=self._attributes
            | {"messaging.batch.message_count": message_count, "gliclass.batch.token_count": token_count},
            links=[Link(span.get_span_context()) for span in sampled],
        )
        for span in sampled:
            span.add_link(batch.get_span_context())
        return BatchTrace(batch)

    async def stop(self, timeout_seconds: float) -> bool:
        """Export what is left; False when the collector did not take it in time. Nothing is traced afterwards."""
        processor, self._processor = self._processor, None
        if processor is None:
            return True
        # A daemon thread: one in an executor would keep the process alive until a dead collector times out.
        flush = threading.Thread(target=processor.shutdown, name="trace-flush", daemon=True)
        flush.start()
        deadline = time.monotonic() + timeout_seconds
        while flush.is_alive() and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        return not flush.is_alive()


def _producer_context(headers: Headers) -> Context:
    carrier: dict[str, str] = {}
    for name, value in headers:
        if name in _CONTEXT_HEADERS and value is not None and len(value) <= _MAX_HEADER_BYTES and value.isascii():
            carrier[name] = value.decode("ascii")
    if HEADER_TRACEPARENT not in carrier:
        return _ROOT
    return _W3C.extract(carrier, _ROOT)
