"""Takes messages from a durable consumer: in order per key, in parallel across keys.

Every message ends in exactly one way: acknowledged after its work is stored, put back with a
delay, or given up as a dead letter. Work in progress is told to the broker more often than the
broker would give it to somebody else.
"""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import nats.errors
from cachetools import LRUCache
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import api

from shared.adapters.postgres import is_away
from shared.adapters.pull import Pull, PullEnded
from shared.adapters.topology import ensure_consumer
from shared.kernel import faults
from shared.kernel.correlation import CORRELATION
from shared.kernel.errors import Unavailable, Unusable
from shared.kernel.faults import FaultPoint
from shared.telemetry import metrics, spans
from shared.telemetry.scrape import on_scrape
from shared.telemetry.spans import Kind

log = logging.getLogger(__name__)

DELAYS = (0.2, 1.0, 3.0, 10.0, 30.0, 60.0)
"""Seconds before attempt 2, 3, …; the last one repeats. Each is stretched by up to a fifth."""
AWAY_SECONDS = 10.0
"""At most, before a message is tried again that failed because the database was away."""
RETRY_SECONDS = 0.5
GIVE_BACK_SECONDS = 5.0
"""To hear from the broker what else it has sent, before this process leaves."""
DEATHS = 3
"""Times as many deliveries as attempts that may fail, before a message counts as what kills its
workers: whatever else a worker had begun dies with it, and is delivered again without its fault."""
REMEMBERED = 10_000
"""Messages whose failures a consumer counts at a time."""
POINTS = {
    "CMDS": (FaultPoint.COMMAND_HANDLED, FaultPoint.COMMAND_ACKNOWLEDGED),
    "JOBS": (FaultPoint.JOB_HANDLED, FaultPoint.JOB_ACKNOWLEDGED),
    "EVENTS": (FaultPoint.REACTION_HANDLED, FaultPoint.REACTION_ACKNOWLEDGED),
    "SCHED": (FaultPoint.TIMER_HANDLED, FaultPoint.TIMER_ACKNOWLEDGED),
}
"""Before and after the acknowledgement, by the stream that a message is from."""


class Poison(Exception):
    """The message cannot be understood; it is given up at once."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt at one message."""

    stream: str
    consumer: str
    subject: str
    headers: Mapping[str, str]
    data: bytes
    attempt: int
    sequence: int

    @property
    def tenant_id(self) -> str:
        return self.headers.get("ce-tenant", "")


def aggregate_key(subject: str) -> str:
    """What all messages about one aggregate have in common."""
    return subject.rsplit(".", 1)[0]


Handle = Callable[[Delivery], Awaitable[None]]
GiveUp = Callable[[Delivery, str], Awaitable[None]]
GiveWay = Callable[[], Awaitable[None]]


@dataclass
class Turnstile:
    """Lets one holder per key through, in the order of arrival."""

    _waiting: dict[str, tuple[asyncio.Lock, int]] = field(default_factory=dict)

    @asynccontextmanager
    async def hold(self, key: str) -> AsyncIterator[None]:
        lock, users = self._waiting.get(key, (asyncio.Lock(), 0))
        self._waiting[key] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, users = self._waiting[key]
            if users == 1:
                del self._waiting[key]
            else:
                self._waiting[key] = (lock, users - 1)


class Consumer:
    """Runs one durable consumer until it is told to stop."""

    def __init__(
        self,
        client: Client,
        stream: str,
        config: api.ConsumerConfig,
        handle: Handle,
        give_up: GiveUp,
        *,
        key: Callable[[str], str],
        concurrency: int,
        max_attempts: int,
        places: asyncio.Semaphore | None = None,
        lane_of: str | None = None,
        give_way: GiveWay | None = None,
    ) -> None:
        """`places` are for several consumers together to share; else there are `concurrency`.

        `give_way` is waited for when something is there, before all of it is taken.

        `lane_of` names those that are one of many of their kind, in metrics.
        """
        self._client = client
        self.stream = stream
        self._config = config
        self._name = config.durable_name or ""
        self._lane_of = lane_of
        self._metered = lane_of or self._name
        metrics.DEAD_LETTERS.labels(self._metered)  # at 0, so that the first one is an increase
        self._handle = handle
        self._give_up = give_up
        self._key = key
        self._places = places or asyncio.Semaphore(concurrency)
        self._batch = concurrency
        self._max_attempts = max_attempts
        self._give_way = give_way
        self._turnstile = Turnstile()
        self._in_flight: dict[int, Msg] = {}
        # Of this process: the broker's count is of deliveries, those that died included.
        self._failures: LRUCache[int, int] = LRUCache(REMEMBERED)
        self._beat = (config.ack_wait or 30) / 3

    @property
    def busy(self) -> bool:
        """Whether it has taken messages that are not settled yet."""
        return bool(self._in_flight)

    @property
    def name(self) -> str:
        return self._name

    async def repeat(self, delivery: Delivery) -> None:
        """Do the work of a message that was given up. Raises what its handler raises."""
        async with self._turnstile.hold(self._key(delivery.subject)), self._places:
            await self._handle(delivery)

    async def ensure(self) -> None:
        """Make or update the durable. Raises `Unusable` if the broker refuses."""
        await ensure_consumer(self._client, self.stream, self._config)

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until `stopping` is set, then finish what was begun."""
        with on_scrape(self._look):
            await self._work(stopping)

    async def _work(self, stopping: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as tasks:
            beats = tasks.create_task(self._beats())
            async with asyncio.TaskGroup() as work:
                taking = work.create_task(self._take(work))
                await stopping.wait()
                taking.cancel()
            beats.cancel()

    async def _look(self) -> None:
        """What waits at the broker. Of lanes, their owner tells."""
        if self._lane_of is not None:
            return
        info = await self._client.jetstream().consumer_info(self.stream, self._name)
        metrics.CONSUMER_LAG.labels(self._metered).set(info.num_pending or 0)
        metrics.CONSUMER_PENDING.labels(self._metered).set(info.num_ack_pending or 0)

    async def _take(self, work: asyncio.TaskGroup) -> None:
        while True:
            pull = Pull(self._client, self.stream, self._name, batch=self._batch, hold=True)
            try:
                await pull.start()
                while True:
                    if self._give_way is not None:
                        await pull.some()
                        await self._give_way()
                    for message in await pull.get():
                        self._in_flight[id(message)] = message
                        work.create_task(self._held(message, pull))
            except asyncio.CancelledError:
                with suppress(nats.errors.Error, TimeoutError):
                    async with asyncio.timeout(GIVE_BACK_SECONDS):
                        await pull.give_back()
                raise
            except (PullEnded, nats.errors.Error, TimeoutError) as error:
                log.warning(
                    "consumer starts again", extra={"consumer": self._name, "error": str(error)}
                )
                await asyncio.sleep(RETRY_SECONDS)
                await self._restore()
            finally:
                await pull.stop()

    async def _restore(self) -> None:
        try:
            await self.ensure()
        except Unavailable as error:
            log.warning(
                "broker does not answer", extra={"consumer": self._name, "error": str(error)}
            )

    async def _held(self, message: Msg, pull: Pull) -> None:
        try:
            await self._one(message)
        finally:
            with suppress(nats.errors.Error):
                await pull.release()

    async def _one(self, message: Msg) -> None:
        delivery = self._delivery(message)
        # In the task of this message alone.
        CORRELATION.set(delivery.headers.get("ce-correlationid"))
        try:
            async with self._turnstile.hold(self._key(message.subject)), self._places:
                await self._attempt(message, delivery)
        except (nats.errors.Error, TimeoutError) as error:
            # The broker will deliver it again; everything behind this point is repeatable.
            log.warning("message not settled", extra=self._about(delivery, error))
        finally:
            self._in_flight.pop(id(message), None)

    async def _attempt(self, message: Msg, delivery: Delivery) -> None:
        if delivery.attempt > self._max_attempts * DEATHS:
            # Its workers died rather than failed: an exception would have given it up before.
            await self._surrender(message, delivery, "the worker died at every attempt")
            return
        if delivery.attempt > 1:
            metrics.REDELIVERED.labels(self._metered).inc()
        started = time.perf_counter()
        try:
            with self._span(delivery):
                await self._handle(delivery)
        except Poison as error:
            await self._surrender(message, delivery, str(error))
        except Unusable:
            raise  # ends this service; the message is for one that can
        except Exception as error:
            expected = isinstance(error, Unavailable)
            log.warning("attempt failed", extra=self._about(delivery, error), exc_info=not expected)
            # A database that is away says nothing about the message.
            away = is_away(error)
            failures = self._failures.get(delivery.sequence, 0) + (not away)
            last = delivery.attempt >= self._max_attempts * DEATHS
            if last or failures >= self._max_attempts:
                await self._surrender(message, delivery, str(error) or type(error).__name__)
                return
            self._failures[delivery.sequence] = failures
            metrics.MESSAGES.labels(self._metered, "retried").inc()
            step = DELAYS[min(delivery.attempt if away else failures, len(DELAYS)) - 1]
            step = min(step, AWAY_SECONDS) if away else step
            await message.nak(delay=step * random.uniform(1, 1.2))  # noqa: S311  jitter
        else:
            metrics.MESSAGES.labels(self._metered, "handled").inc()
            handled, acknowledged = POINTS.get(self.stream, POINTS["JOBS"])
            faults.passed(handled)
            await message.ack()
            faults.passed(acknowledged)
        finally:
            metrics.MESSAGE_SECONDS.labels(self._metered).observe(time.perf_counter() - started)

    async def _surrender(self, message: Msg, delivery: Delivery, reason: str) -> None:
        """Give the message up. If even that fails now, it comes again and is given up then."""
        try:
            await self._give_up(delivery, reason)
        except Exception as error:
            log.exception("giving up failed", extra=self._about(delivery, error))
            await message.nak(delay=DELAYS[-1])
            return
        metrics.MESSAGES.labels(self._metered, "given_up").inc()
        metrics.DEAD_LETTERS.labels(self._metered).inc()
        log.error("message given up", extra={**self._about(delivery), "reason": reason})
        await message.ack()

    async def _beats(self) -> None:
        while True:
            await asyncio.sleep(self._beat)
            for message in list(self._in_flight.values()):
                try:
                    await message.in_progress()
                except (nats.errors.Error, nats.errors.MsgAlreadyAckdError):
                    continue

    def _span(self, delivery: Delivery) -> spans.Span:
        about: spans.Attributes = {
            "messaging.system": "nats",
            "messaging.destination.name": self.stream,
            "messaging.consumer.group.name": self._metered,
            "messaging.message.delivery_count": delivery.attempt,
        }
        parent = delivery.headers.get("traceparent")
        return spans.span(
            f"process {self._metered}", Kind.CONSUMER, parent=parent, attributes=about
        )

    def _delivery(self, message: Msg) -> Delivery:
        metadata = message.metadata
        return Delivery(
            stream=self.stream,
            consumer=self._name,
            subject=message.subject,
            headers=message.headers or {},
            data=message.data,
            attempt=metadata.num_delivered,
            sequence=metadata.sequence.stream,
        )

    def _about(self, delivery: Delivery, error: Exception | None = None) -> dict[str, object]:
        about: dict[str, object] = {
            "consumer": self._name,
            "subject": delivery.subject,
            "tenant": delivery.tenant_id,
            "attempt": delivery.attempt,
        }
        if error is not None:
            about["error"] = str(error) or repr(error)
        return about
