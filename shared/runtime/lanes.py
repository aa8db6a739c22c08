"""Jobs of many tenants side by side: nobody waits behind the queue of somebody else.

A tenant with jobs has a lane, a consumer of its own. The broker gives out no more than a share of
jobs per lane, whichever replicas take them; in a replica, all lanes take their turns at the same
places. So a tenant waits for the shares of others at most, however long their queues are, and what
was not begun stays in the broker.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.errors import APIError

from shared.adapters.pull import ending
from shared.adapters.topology import lane_consumer
from shared.kernel.errors import Unavailable
from shared.runtime.consumer import Consumer, GiveUp, Handle
from shared.telemetry import metrics
from shared.telemetry.scrape import on_scrape

log = logging.getLogger(__name__)

STREAM = "JOBS"
ATTEMPTS = 6
PLACES = 16
"""Jobs that one replica works on at a time."""
SHARE = 8
"""Those of one tenant, in all replicas together."""
LOOK_SECONDS = 15.0
"""How often the queue itself is looked at: a lane that missed its call is found, an empty one is
closed."""


class Lanes:
    """Works the jobs of all tenants until it is told to stop."""

    def __init__(
        self,
        client: Client,
        service: str,
        handle: Handle,
        give_up: GiveUp,
        *,
        key: Callable[[str], str],
        places: int,
        share: int,
        max_attempts: int = ATTEMPTS,
    ) -> None:
        self._client = client
        self._js = client.jetstream(timeout=10)
        self._service = service
        self._handle = handle
        self._give_up = give_up
        self._key = key
        self._places = asyncio.Semaphore(places)
        self._share = share
        self._max_attempts = max_attempts
        self._open: dict[str, tuple[Consumer, asyncio.Event]] = {}
        self._called: asyncio.Queue[str] = asyncio.Queue()

    @property
    def tenants(self) -> set[str]:
        """Those that have a lane in this replica."""
        return set(self._open)

    async def ensure(self) -> None:
        """Remove consumers that would hold jobs back from lanes. Raises `Unavailable`."""
        try:
            for consumer in await self._js.consumers_info(STREAM):
                if not consumer.config.inactive_threshold:
                    await self._js.delete_consumer(STREAM, consumer.name)
        except (APIError, nats.errors.Error, TimeoutError) as error:
            raise Unavailable("the queue of jobs cannot be looked at") from error

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until `stopping` is set, then finish what was begun."""
        heard = await self._client.subscribe("job.*.*.*.*", cb=self._on_job)
        try:
            with on_scrape(self._measure):
                await self._run(stopping)
        finally:
            if not self._client.is_closed:
                await heard.unsubscribe()

    async def _run(self, stopping: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as lanes:
            opening = lanes.create_task(self._open_called(lanes))
            looking = lanes.create_task(self._look())
            await stopping.wait()
            opening.cancel()
            looking.cancel()
            for _, done in self._open.values():
                done.set()

    async def _measure(self) -> None:
        metrics.JOB_LANES.labels(self._service).set(len(self._open))
        depths = await self._depths()
        metrics.LONGEST_LANE.labels(self._service).set(max(depths.values(), default=0))

    async def _on_job(self, message: Msg) -> None:
        """Somebody queues a job. It may be refused yet: then its lane finds nothing."""
        self._call(message.subject.split(".")[1])

    def _call(self, tenant_id: str) -> None:
        if tenant_id not in self._open:
            self._called.put_nowait(tenant_id)

    async def _open_called(self, lanes: asyncio.TaskGroup) -> None:
        while True:
            tenant_id = await self._called.get()
            if tenant_id in self._open:
                continue
            done = asyncio.Event()
            consumer = Consumer(
                self._client,
                STREAM,
                lane_consumer(self._service, tenant_id, self._share),
                self._handle,
                self._give_up,
                key=self._key,
                concurrency=self._share,
                max_attempts=self._max_attempts,
                places=self._places,
                lane_of=f"{self._service}-jobs",
            )
            self._open[tenant_id] = consumer, done
            lanes.create_task(self._lane(tenant_id, consumer, done))

    async def _lane(self, tenant_id: str, consumer: Consumer, done: asyncio.Event) -> None:
        try:
            await consumer.ensure()
            await consumer.run(done)
        except Unavailable as error:
            log.warning("lane not opened", extra={"tenant": tenant_id, "error": str(error)})
        finally:
            if not done.is_set():
                del self._open[tenant_id]

    async def _look(self) -> None:
        """Open lanes for what waits and close those of which nothing is left, for ever."""
        empty: set[str] = set()
        while not ending():
            try:
                waiting = await self._waiting()
            except (APIError, nats.errors.Error, TimeoutError) as error:
                log.warning("jobs not looked at", extra={"error": str(error) or repr(error)})
            else:
                for tenant_id in waiting:
                    self._call(tenant_id)
                idle = {
                    tenant_id
                    for tenant_id, (consumer, _) in self._open.items()
                    if tenant_id not in waiting and not consumer.busy
                }
                # Twice in a row, for a lane that was just called has its job yet to come.
                for tenant_id in idle & empty:
                    # Gone at once, so that a job that comes while it ends opens another one.
                    _, done = self._open.pop(tenant_id)
                    done.set()
                empty = idle
            await asyncio.sleep(LOOK_SECONDS)

    async def _waiting(self) -> set[str]:
        """Tenants with jobs that are not done; of a very long queue, not those at its end."""
        return set(await self._depths())

    async def _depths(self) -> Counter[str]:
        """Jobs that are not done, by tenant."""
        info = await self._js.stream_info(STREAM, subjects_filter="job.>")
        depths: Counter[str] = Counter()
        for subject, count in (info.state.subjects or {}).items():
            depths[subject.split(".")[1]] += count
        return depths
