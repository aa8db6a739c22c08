"""Calls of embedding models as they are measured and traced; never what is embedded."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from shared.telemetry import metrics, spans
from shared.telemetry.providers import provider_of
from shared.telemetry.spans import Kind


@contextmanager
def embedding(model: str, texts: int) -> Iterator[None]:
    """Around the embedding of so many texts."""
    provider = provider_of(model)
    about: spans.Attributes = {
        "gen_ai.operation.name": "embeddings",
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": model,
        "minirag.texts": texts,
    }
    outcome, started = "cancelled", time.perf_counter()
    try:
        with spans.span(f"embeddings {model}", Kind.CLIENT, attributes=about):
            yield
        outcome = "ok"
    except Exception as error:
        outcome = type(error).__name__
        raise
    finally:
        metrics.EMBEDDING_CALLS.labels(provider, outcome).inc()
        metrics.EMBEDDING_SECONDS.labels(provider).observe(time.perf_counter() - started)
