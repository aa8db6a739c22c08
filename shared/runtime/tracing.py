"""Switches tracing on, if the settings name a place where spans go."""

import asyncio
from collections.abc import Collection
from contextlib import AsyncExitStack

from shared.kernel.errors import Unusable
from shared.runtime.settings import ServiceSettings
from shared.telemetry import spans


def arm(settings: Collection[ServiceSettings], stack: AsyncExitStack) -> None:
    """Record the spans of this process until `stack` is closed.

    The variables have no service in their names, so all services of a process have the same. Raises
    `Unusable` if the SDK is not installed.
    """
    one = next(iter(settings))
    if one.otel_exporter_otlp_endpoint is None or one.otel_sdk_disabled:
        return
    try:
        from shared.telemetry.otel import (  # noqa: PLC0415  10 MB for those who trace only
            OtelTracer,
            pairs,
        )
    except ImportError as error:
        raise Unusable(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, and the extra minirag[telemetry] is not installed"
        ) from error
    headers = one.otel_exporter_otlp_headers
    tracer = OtelTracer.exporting(
        one.otel_exporter_otlp_endpoint,
        pairs(headers.get_secret_value() if headers else ""),
        resource=pairs(one.otel_resource_attributes),
        sampler=one.otel_traces_sampler,
        share=one.otel_traces_sampler_arg,
    )
    spans.bind(tracer)

    async def close() -> None:
        spans.bind(None)
        await asyncio.to_thread(tracer.close)

    stack.push_async_callback(close)
