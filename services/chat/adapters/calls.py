"""Calls of language models as they are measured and traced: which model, how long, how many tokens.

The names of attributes are those of OpenTelemetry's conventions for generative AI. Those that hold
prompts and answers are left out, whatever the exporter is set to.
"""

import time
from types import TracebackType
from typing import Self

from services.chat.ports import ModelFailed, Prompt, Spent, Text
from shared.telemetry import metrics, spans
from shared.telemetry.providers import provider_of
from shared.telemetry.spans import Kind


class ModelCall:
    """One call, from the first byte sent to the last one read or to its end before that."""

    def __init__(self, model: str, prompt: Prompt) -> None:
        self._provider = provider_of(model)
        self._started = time.perf_counter()
        self._span = spans.span(
            f"chat {model}",
            Kind.CLIENT,
            attributes={
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": self._provider,
                "gen_ai.request.model": prompt.model,
                "gen_ai.request.temperature": prompt.temperature,
                "gen_ai.request.max_tokens": prompt.max_tokens,
            },
            # Between two pieces whoever reads them works on, in the same task.
            current=False,
        )

    def __enter__(self) -> Self:
        self._span.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        match error:
            case None:
                outcome = "ok"
            case ModelFailed(code=code):
                outcome = code
                self._span.failed(code)
            case Exception():
                outcome = "failed"
            case _:
                outcome = "stopped"
        self._span.__exit__(kind, error, traceback)
        metrics.MODEL_CALLS.labels(self._provider, outcome).inc()
        metrics.MODEL_SECONDS.labels(self._provider).observe(time.perf_counter() - self._started)

    def heard(self, piece: Text | Spent) -> None:
        """What came; words are passed over."""
        if isinstance(piece, Spent):
            self._span.tell("gen_ai.response.model", piece.model)
            self._span.tell("gen_ai.usage.input_tokens", piece.prompt_tokens)
            self._span.tell("gen_ai.usage.output_tokens", piece.completion_tokens)
