"""A collector that keeps the spans it is sent over OTLP/HTTP, for tests to look at."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Collector:
    """Spans as they came over the wire."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._received = threading.Condition()
        self._spans: list[Span] = []
        self.resource_attributes: dict[str, str] = {}

    def receive(self, request: ExportTraceServiceRequest) -> None:
        with self._received:
            for resource_spans in request.resource_spans:
                for attribute in resource_spans.resource.attributes:
                    self.resource_attributes[attribute.key] = attribute.value.string_value
                for scope_spans in resource_spans.scope_spans:
                    self._spans.extend(scope_spans.spans)
            self._received.notify_all()

    def wait_for(self, name: str, count: int, timeout_seconds: float = 60) -> list[Span]:
        """The spans of that name once there are `count`; raises TimeoutError with what there is. Blocks."""
        with self._received:
            if not self._received.wait_for(lambda: len(self._named(name)) >= count, timeout_seconds):
                raise TimeoutError(f"{len(self._named(name))} of {count} spans {name!r} among {len(self._spans)}")
            return self._named(name)

    def _named(self, name: str) -> list[Span]:
        return [span for span in self._spans if span.name == name]


def attributes(span: Span) -> dict[str, str | int | float]:
    """The attributes of a span, as plain values."""
    return {attribute.key: _plain(attribute.value) for attribute in span.attributes}


def _plain(value: Any) -> str | int | float:
    return getattr(value, value.WhichOneof("value"))


@contextmanager
def running_collector() -> Iterator[Collector]:
    """A collector on a free loopback port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.path == "/v1/traces":
                collector.receive(ExportTraceServiceRequest.FromString(body))
            self.send_response(200 if self.path == "/v1/traces" else 404)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Not to standard error, where it would hide what a failing test says."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector = Collector(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
