"""A collector of OpenTelemetry on loopback, which keeps what it is sent."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from typing_extensions import override


@dataclass(frozen=True, slots=True)
class Span:
    """One span as it came."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    attributes: Mapping[str, str]
    failed: bool


@dataclass
class Collector:
    """Where it listens, and what came."""

    url: str = ""
    spans: list[Span] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)

    def of_trace(self, trace: str) -> list[Span]:
        return [span for span in list(self.spans) if span.trace == trace]


@contextmanager
def collecting() -> Iterator[Collector]:
    """Takes spans by OTLP over HTTP until the end of the block."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.raw.append(body)
            collector.spans.extend(_spans(body))
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        @override
        def log_message(self, format: str, *args: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    collector.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()


def _spans(body: bytes) -> Iterator[Span]:
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        about = {one.key: one.value.string_value for one in resource.resource.attributes}
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Span(
                    service=about["service.name"],
                    name=span.name,
                    trace=span.trace_id.hex(),
                    id=span.span_id.hex(),
                    parent=span.parent_span_id.hex(),
                    attributes={one.key: _text(one.value) for one in span.attributes},
                    failed=span.status.code == span.status.STATUS_CODE_ERROR,
                )


def _text(value: object) -> str:
    """Of an attribute of any kind."""
    kind = value.WhichOneof("value")  # type: ignore[attr-defined]  # generated code has no types
    return str(getattr(value, kind))
