"""What webhooks needs from the world, as protocols."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from shared.contracts.base import Command, Done, Metadata

Execute = Callable[[Command, Metadata, str], Awaitable[Done]]
Current = Callable[[str, str, str], Awaitable[Any]]
Secret = Callable[[str, str], Awaitable[bytes | None]]
AwaitShown = Callable[[int, float], Awaitable[int]]


@dataclass(frozen=True, slots=True)
class Lane:
    """The deliveries to one endpoint, which go out one after another."""

    tenant_id: str
    webhook_id: str


@dataclass(frozen=True, slots=True)
class Pending:
    """A delivery that waits for its next attempt."""

    delivery_id: str
    message_id: str
    event_type: str
    body: str
    attempt: int
    """The number of the next attempt."""
    due_at: datetime
    correlation_id: str
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class Head:
    """Where a lane stands."""

    pending: Pending | None
    parked_until: datetime | None

    @property
    def rests_until(self) -> datetime | None:
        """When the lane has to be looked at again; None: not before something new comes."""
        due = self.pending.due_at if self.pending else None
        known = [at for at in (due, self.parked_until) if at is not None]
        return min(known, default=None)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver said, or why nothing came."""

    status_code: int | None
    text: str
    """The beginning of the body."""
    error: str | None
    retry_after: float | None
    """Seconds."""
    duration_ms: float


class Lanes(Protocol):
    async def head_of(self, lane: Lane, now: datetime) -> Head: ...

    async def lanes(self) -> Sequence[Lane]:
        """All lanes of all tenants that have something to send, now or later."""
        ...


class Sender(Protocol):
    async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """POST once. Never raises for what the receiver or the network does."""
        ...


class Timers(Protocol):
    async def set(self, lane: Lane, at: datetime) -> None:
        """Have the lane woken at `at`, or at once if that is past. A lane has one timer: setting
        it again moves it.

        Raise `Unavailable`.
        """
        ...


class Alarm(Protocol):
    async def wake(self, lane: Lane) -> None:
        """Tell whoever dispatches that the lane may have something to do.

        Raise `Unavailable` if nobody hears it.
        """
        ...


class Leadership(Protocol):
    def leading(self) -> AbstractAsyncContextManager[Callable[[], Awaitable[None]]]:
        """Wait to be the one replica that dispatches.

        Yields a check that raises `Unavailable` once another may have become the one.
        """
        ...

    def hear(self, woken: Callable[[Lane], Awaitable[None]]) -> AbstractAsyncContextManager[None]:
        """While it is open, alarms of all replicas come here."""
        ...
