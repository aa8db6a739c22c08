"""Spans by the OpenTelemetry SDK, sent by OTLP over HTTP. Imported only where tracing is on."""

from collections.abc import Mapping
from contextvars import Token
from types import TracebackType
from typing import Self
from urllib.parse import unquote

from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider, sampling
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from typing_extensions import override

from shared.kernel.errors import Refused
from shared.telemetry import spans
from shared.telemetry.spans import SERVICE, Attributes, Kind, Value

KINDS = {
    Kind.INTERNAL: trace.SpanKind.INTERNAL,
    Kind.SERVER: trace.SpanKind.SERVER,
    Kind.CLIENT: trace.SpanKind.CLIENT,
    Kind.PRODUCER: trace.SpanKind.PRODUCER,
    Kind.CONSUMER: trace.SpanKind.CONSUMER,
}
SAMPLERS = {
    "always_on": lambda _share: sampling.ALWAYS_ON,
    "always_off": lambda _share: sampling.ALWAYS_OFF,
    "traceidratio": sampling.TraceIdRatioBased,
    "parentbased_always_on": lambda _share: sampling.DEFAULT_ON,
    "parentbased_always_off": lambda _share: sampling.DEFAULT_OFF,
    "parentbased_traceidratio": sampling.ParentBasedTraceIdRatio,
}
EXPORT_SECONDS = 5.0
"""How long one batch of spans may take to be sent; also how long a process waits at its end."""

_propagator = TraceContextTextMapPropagator()


class OtelTracer(spans.Tracer):
    """A tracer for each service of this process, over one exporter."""

    def __init__(
        self,
        processor: SpanProcessor,
        *,
        resource: Mapping[str, str],
        sampler: str,
        share: float = 1.0,
    ) -> None:
        self._processor = processor
        self._resource = resource
        self._sampler = SAMPLERS[sampler](share)
        self._tracers: dict[str, trace.Tracer] = {}

    @classmethod
    def exporting(
        cls,
        endpoint: str,
        headers: Mapping[str, str],
        *,
        resource: Mapping[str, str],
        sampler: str,
        share: float,
    ) -> Self:
        """Sends what it records to a collector, from a thread of its own."""
        exporter = OTLPSpanExporter(
            endpoint=f"{endpoint.rstrip('/')}/v1/traces", headers=headers, timeout=EXPORT_SECONDS
        )
        return cls(BatchSpanProcessor(exporter), resource=resource, sampler=sampler, share=share)

    def close(self) -> None:
        """Send what is left. Blocks."""
        self._processor.force_flush(int(EXPORT_SECONDS * 1000))
        self._processor.shutdown()

    @override
    def span(
        self,
        name: str,
        kind: Kind,
        parent: str | None,
        attributes: Attributes,
        *,
        current: bool,
    ) -> spans.Span:
        context = None
        if parent is not None:
            context = _propagator.extract({"traceparent": parent}, context=Context())
        made = self._tracer(SERVICE.get()).start_span(
            name, context=context, kind=KINDS[kind], attributes=attributes
        )
        return _Recorded(made, current=current)

    @override
    def traceparent(self) -> str | None:
        carrier: dict[str, str] = {}
        _propagator.inject(carrier)
        return carrier.get("traceparent")

    @override
    def ids(self) -> tuple[str, str] | None:
        context = trace.get_current_span().get_span_context()
        if not context.is_valid:
            return None
        return trace.format_trace_id(context.trace_id), trace.format_span_id(context.span_id)

    def _tracer(self, service: str) -> trace.Tracer:
        if service not in self._tracers:
            name = {"service.name": f"minirag-{service}", "service.namespace": "minirag"}
            provider = TracerProvider(
                sampler=self._sampler,
                resource=Resource.create({**self._resource, **name}),
                shutdown_on_exit=False,
            )
            provider.add_span_processor(self._processor)
            self._tracers[service] = provider.get_tracer("minirag")
        return self._tracers[service]


class _Recorded(spans.Span):
    """A span of the SDK. Of an exception it keeps the class: a text may quote what people wrote."""

    def __init__(self, span: trace.Span, *, current: bool) -> None:
        self._span = span
        self._current = current
        self._token: Token[Context] | None = None

    @override
    def __enter__(self) -> Self:
        if self._current:
            self._token = attach(trace.set_span_in_context(self._span))
        return self

    @override
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._token is not None:
            detach(self._token)
        match error:
            case Refused(code=code):
                self.tell("minirag.refusal", code)  # an answer, and no failure
            case Exception():
                self.failed(type(error).__name__)
            case _:
                pass
        self._span.end()

    @override
    def tell(self, name: str, value: Value) -> None:
        self._span.set_attribute(name, value)

    @override
    def failed(self, code: str) -> None:
        self._span.set_attribute("error.type", code)
        self._span.set_status(trace.StatusCode.ERROR)

    @override
    def rename(self, name: str) -> None:
        self._span.update_name(name)


def pairs(text: str) -> dict[str, str]:
    """`name=value` separated by commas, as the `OTEL_` variables have lists."""
    found = (pair.partition("=") for pair in text.split(",") if "=" in pair)
    return {name.strip(): unquote(value.strip()) for name, _, value in found}
