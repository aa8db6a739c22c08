"""What a read model said, kept until an event may have changed it.

Rows that every turn reads and hardly any event changes, such as a bot's settings, need not be read
again for each. Where the process that reads also projects, as it does if there is one of a service,
what is kept goes as soon as other rows are shown: a reader sees no less than in the rows. Another
process hears of the event as it is stored, and reads the rows until they have had time to follow.
"""

import time
from collections.abc import Awaitable, Callable, Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from cachetools import LRUCache, TTLCache
from nats.aio.client import Client
from nats.aio.msg import Msg

from shared.adapters.nats_client import taken_in
from shared.adapters.read_model import ReadModelStore
from shared.contracts.base import Event, Recorded
from shared.kernel.renewal import Renewal
from shared.kernel.single_flight import SingleFlight

KEPT_BYTES = 8_000_000
"""What a memo keeps; of more, what was used longest ago is forgotten first."""
OTHER_BYTES = 1_000
"""What an answer takes beside the body that it may have: a guess."""
KEPT_SECONDS = 5.0
"""After which rows are read again, whatever was heard: no message of a change is certain to come,
and a rebuild is no event."""
MOVING_SECONDS = 30.0
"""Behind an event that is not seen to be shown here, in which nothing is kept: a projector in
another process brings it in meanwhile."""
CHANGED = 10_000
"""Tenants, and events, of which that is known at a time."""

T = TypeVar("T")


class Rows:
    """A tenant's rows as they were for some time; there are others once an event changes them."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Bound:
    """How much a memo keeps: `most` of what `weigh` says of an answer."""

    most: int
    weigh: Callable[[Any], int]


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer, and when it is to be looked for anew."""

    answer: Any
    renewal: Renewal


def weight(answer: Any) -> int:
    """Bytes that a kept answer takes, more or less."""
    return OTHER_BYTES + len(getattr(answer, "body", b""))


BOUND = Bound(KEPT_BYTES, weight)


class Memo:
    """Answers of one read model. Before `follow` it keeps nothing."""

    def __init__(
        self,
        store: ReadModelStore,
        on: Sequence[type[Event]] = (),
        *,
        bound: Bound = BOUND,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        """`on`: the events that change what is kept; none: all that the model hears of."""
        self._subjects = [f"evt.*.{event.aggregate}.*.{event.name}" for event in on]
        self._subjects = self._subjects or store.model.subjects
        self._on = tuple(on) or (Event,)
        self._kept: TTLCache[tuple[Rows, Hashable], Kept] = TTLCache(
            bound.most, KEPT_SECONDS, timer, lambda kept: bound.weigh(kept.answer)
        )
        self._rows: LRUCache[str, Rows] = LRUCache(CHANGED)
        self._loads = SingleFlight()
        self._moving: TTLCache[str, set[str]] = TTLCache(CHANGED, MOVING_SECONDS, timer)
        """Ids of events that are stored and not seen to be shown, by tenant."""
        self._seen: LRUCache[str, None] = LRUCache(CHANGED)
        """Ids of events that were shown, which may be heard of only then."""
        self._client: Client | None = None
        self._reconnects = 0
        self._timer = timer
        self._deaf_until = 0.0
        store.when_shown.append(self._shown)

    async def follow(self, client: Client) -> None:
        """Hear of events as they are stored, whichever process stores them."""
        for subject in self._subjects:
            await client.subscribe(subject, cb=self._heard)
        await taken_in(client)
        self._client = client
        self._reconnects = client.stats["reconnects"]

    async def of(self, tenant_id: str, key: Hashable, load: Callable[[], Awaitable[T]]) -> T:
        """What `load` returned for this key, or returns now. Raises what it raises.

        Who asks for the same of the same rows meanwhile waits for that one load.
        """
        if (kept := self._entry(tenant_id, key)) is not None:
            if not kept.renewal.is_wanted(self._timer()):
                return kept.answer  # type: ignore[no-any-return]  # what `load` returned for it
            kept.renewal.begun = True
        if not self._in_touch() or tenant_id in self._moving:
            return await load()
        rows = self._rows.setdefault(tenant_id, Rows())

        async def loading() -> T:
            loaded = await load()
            if self._rows.get(tenant_id) is rows:
                renewal = Renewal.within(self._timer(), KEPT_SECONDS)
                with suppress(ValueError):  # heavier than all that may be kept
                    self._kept[rows, key] = Kept(loaded, renewal)
            return loaded

        return await self._loads.do((rows, key), loading)

    def kept(self, tenant_id: str, key: Hashable) -> Any:
        """What is kept for this key; None if nothing is, or somebody is to look for it anew."""
        kept = self._entry(tenant_id, key)
        return None if kept is None or kept.renewal.is_wanted(self._timer()) else kept.answer

    def _entry(self, tenant_id: str, key: Hashable) -> Kept | None:
        rows = self._rows.get(tenant_id)
        if rows is None or not self._in_touch() or tenant_id in self._moving:
            return None
        return self._kept.get((rows, key))

    def forget(self, tenant_id: str) -> None:
        """Read the tenant's rows again."""
        self._rows.pop(tenant_id, None)

    def clear(self) -> None:
        """Read the rows of all tenants again."""
        self._rows.clear()
        self._kept.clear()

    def _shown(self, records: Sequence[Recorded[Event]]) -> None:
        for record in records:
            if not isinstance(record.event, self._on):
                continue
            self.forget(record.tenant_id)
            self._seen[record.event_id] = None
            moving = self._moving.get(record.tenant_id, set())
            moving.discard(record.event_id)
            if not moving:
                self._moving.pop(record.tenant_id, None)

    async def _heard(self, message: Msg) -> None:
        headers = message.headers or {}
        tenant_id = headers.get("ce-tenant", "")
        self.forget(tenant_id)
        event_id = headers.get("ce-id", "")
        if event_id not in self._seen:
            self._moving[tenant_id] = self._moving.get(tenant_id, set()) | {event_id}

    def _in_touch(self) -> bool:
        """What was stored while there was no connection was not heard of."""
        if self._client is None or not self._client.is_connected:
            return False
        if (reconnects := self._client.stats["reconnects"]) != self._reconnects:
            self._reconnects = reconnects
            self.clear()
            self._deaf_until = self._timer() + MOVING_SECONDS
        return self._timer() >= self._deaf_until
