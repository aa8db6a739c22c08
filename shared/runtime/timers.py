"""Timers that the broker keeps: set now, a message then, whoever runs by that time.

A timer is named by tenant, kind and id, and there is one of a name: setting it again replaces it.
It goes off at least once, in the broker's own time, also when nobody was there to hear it; ticks
of one name that wait come to the last of them.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import nats.errors
from nats.aio.client import Client
from nats.js import api
from nats.js.errors import APIError, NotFoundError

from shared.adapters.envelope import metadata_headers, read_metadata
from shared.contracts.base import Metadata
from shared.kernel.errors import Unavailable
from shared.kernel.ids import subject_token
from shared.runtime.consumer import Consumer, Delivery, GiveUp, Poison

STREAM = "SCHED"
ACK_SECONDS = 15.0
CONCURRENCY = 16
ATTEMPTS = 20
SCHEDULE, LAST = "Nats-Schedule", "Nats-Expected-Last-Subject-Sequence"
AT = "@at %Y-%m-%dT%H:%M:%S.%fZ"


@dataclass(frozen=True, slots=True)
class Tick:
    """A timer that went off."""

    timer_id: str
    body: bytes
    metadata: Metadata
    """As it was when the timer was set: `now` is that time."""

    @classmethod
    def of(cls, delivery: Delivery) -> "Tick":
        """Raise `Poison` if it does not tell whose it is."""
        try:
            metadata = read_metadata(delivery.headers)
        except (KeyError, ValueError) as error:
            raise Poison(f"headers are incomplete: {error}") from error
        return cls(delivery.subject.rsplit(".", 1)[1], delivery.data, metadata)


Wake = Callable[[Tick], Awaitable[None]]
WakeGivenUp = Callable[[Tick, str], Awaitable[None]]


class Timers:
    """Sets and cancels them (NATS ADR-51, message schedules)."""

    def __init__(self, client: Client) -> None:
        self._js = client.jetstream(timeout=10)

    async def set(
        self, kind: str, timer_id: str, at: datetime, cause: Metadata, body: bytes = b""
    ) -> None:
        """Go off at `at`, or at once if that has passed. Raises `Unavailable`."""
        names = _names(cause.tenant_id, kind, timer_id)
        try:
            await self._set(names, at, metadata_headers(cause), body)
        except (nats.errors.Error, TimeoutError) as error:
            raise Unavailable("the timer was not set") from error

    async def hurry(self, kind: str, by: timedelta) -> None:
        """Have every timer of a kind go off so much sooner, or at once. Raises `Unavailable`.

        A broker whose clock was set back by as much would have them wait for that time too.
        """
        try:
            told = await self._js.stream_info(STREAM, subjects_filter=f"sched.*.{kind}.*")
            for subject in told.state.subjects or {}:
                with suppress(NotFoundError):  # it went off meanwhile
                    found = await self._js.get_last_msg(STREAM, subject, direct=True)
                    headers = found.headers or {}
                    at = datetime.strptime(headers[SCHEDULE], AT).replace(tzinfo=UTC) - by
                    own = {name: headers[name] for name in headers if not name.startswith("Nats-")}
                    last = {LAST: str(found.seq)}  # whoever sets it meanwhile knows better
                    with suppress(APIError):
                        names = subject.removeprefix("sched.")
                        await self._set(names, at, own | last, found.data or b"")
        except (APIError, nats.errors.Error, TimeoutError) as error:
            raise Unavailable("the timers were not set sooner") from error

    async def _set(self, names: str, at: datetime, headers: dict[str, str], body: bytes) -> None:
        scheduled = {
            **headers,
            SCHEDULE: at.astimezone(UTC).strftime(AT),
            "Nats-Schedule-Target": f"tick.{names}",
            "Nats-Schedule-Rollup": "sub",
        }
        await self._js.publish(f"sched.{names}", body, headers=scheduled, stream=STREAM)

    async def cancel(self, tenant_id: str, kind: str, timer_id: str) -> None:
        """Not go off after all, unless it just did. Raises `Unavailable`."""
        try:
            await self._js.purge_stream(
                STREAM, subject=f"sched.{_names(tenant_id, kind, timer_id)}"
            )
        except (APIError, nats.errors.Error, TimeoutError) as error:
            raise Unavailable("the timer was not cancelled") from error


def hearing(
    client: Client,
    service: str,
    kind: str,
    wake: Wake,
    given_up: WakeGivenUp | None,
    record: GiveUp,
) -> Consumer:
    """Takes the ticks of one kind, in any replica of a service; `record` keeps dead letters."""

    async def handle(delivery: Delivery) -> None:
        await wake(Tick.of(delivery))

    async def give_up(delivery: Delivery, reason: str) -> None:
        await record(delivery, reason)
        if given_up is not None:
            with suppress(Poison):  # it does not tell whose it is
                await given_up(Tick.of(delivery), reason)

    config = api.ConsumerConfig(
        durable_name=f"{service}-{kind}",
        filter_subjects=[f"tick.*.{kind}.*"],
        ack_policy=api.AckPolicy.EXPLICIT,
        deliver_policy=api.DeliverPolicy.ALL,
        ack_wait=ACK_SECONDS,
        max_deliver=-1,
        max_ack_pending=1000,
    )
    return Consumer(
        client,
        STREAM,
        config,
        handle,
        give_up,
        key=str,
        concurrency=CONCURRENCY,
        max_attempts=ATTEMPTS,
    )


def _names(tenant_id: str, kind: str, timer_id: str) -> str:
    return f"{subject_token(tenant_id)}.{subject_token(kind)}.{subject_token(timer_id)}"
