"""Spans: what one piece of work did within the trace it belongs to.

The code only says `with spans.span("append")`. That does nothing and costs a call, unless the
runtime bound a tracer to it: see `shared.telemetry.otel`. A trace crosses processes as the W3C
header `traceparent` of messages, which `Metadata` carries.

Attributes name kinds, models, counts and codes. They never hold what people wrote, nor what they
are: a trace is read by more people than a chat.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from enum import StrEnum
from itertools import islice
from types import TracebackType
from typing import Protocol, Self

Value = str | int | float | bool
Attributes = Mapping[str, Value]
MOST_TOGETHER = 32
"""Traces that a batch is told in."""

SERVICE: ContextVar[str] = ContextVar("service", default="gateway")
"""Whose work it is, in a process with several services."""


class Kind(StrEnum):
    """As OpenTelemetry has it: whom the work is for."""

    INTERNAL = "internal"
    SERVER = "server"
    """A request of somebody else's is answered."""
    CLIENT = "client"
    """Somebody else is asked, and waited for."""
    PRODUCER = "producer"
    """A message is stored for others."""
    CONSUMER = "consumer"
    """A message of others' is worked on."""


class Span(Protocol):
    """A piece of work that is under way; what happens inside of the block belongs below it."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    def tell(self, name: str, value: Value) -> None:
        """An attribute that is known only by now."""

    def failed(self, code: str) -> None:
        """It came to nothing. An exception that leaves the block says so by itself."""

    def rename(self, name: str) -> None:
        """A better name than was known at the start."""


class Tracer(Protocol):
    """Makes spans."""

    def span(
        self,
        name: str,
        kind: Kind,
        parent: str | None,
        attributes: Attributes,
        *,
        current: bool,
    ) -> Span: ...

    def traceparent(self) -> str | None:
        """Of the span that is current."""

    def ids(self) -> tuple[str, str] | None:
        """Trace and span that are current."""


class _Off:
    """A span that nobody records."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        pass

    def tell(self, name: str, value: Value) -> None:
        pass

    def failed(self, code: str) -> None:
        pass

    def rename(self, name: str) -> None:
        pass


_OFF = _Off()
_NOTHING: Attributes = {}
_tracer: Tracer | None = None


def bind(tracer: Tracer | None) -> None:
    """Record spans by this tracer from now on; None: do not."""
    global _tracer  # noqa: PLW0603  one per process, as the registry of metrics
    _tracer = tracer


def span(
    name: str,
    kind: Kind = Kind.INTERNAL,
    *,
    parent: str | None = None,
    attributes: Attributes = _NOTHING,
    current: bool = True,
) -> Span:
    """Work that begins now and ends with the block.

    `parent` is the `traceparent` of a message that it is about; else it belongs below what is
    current. What is not made `current` is a span in a generator, whose consumer's work is its own.
    """
    if _tracer is None:
        return _OFF
    return _tracer.span(name, kind, parent, attributes, current=current)


@contextmanager
def together(name: str, parents: Iterable[str | None], attributes: Attributes) -> Iterator[None]:
    """One piece of work about many messages, told in the trace of each, of the first at most."""
    if _tracer is None:
        yield
        return
    with ExitStack() as stack:
        for parent in islice(dict.fromkeys(parents), MOST_TOGETHER):
            if parent is not None:
                work = _tracer.span(name, Kind.CONSUMER, parent, attributes, current=False)
                stack.enter_context(work)
        yield


def traceparent(otherwise: str | None) -> str | None:
    """For the header of a message that is sent now: of the current span, if anybody records."""
    if _tracer is None:
        return otherwise
    return _tracer.traceparent() or otherwise


def current_ids() -> tuple[str, str] | None:
    """Trace and span of the running work, for its log lines."""
    return None if _tracer is None else _tracer.ids()
