"""Who a credential speaks for: from memory, or the database once; never longer than it is true."""

import logging
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TypeVar

from cachetools import TTLCache
from nats.aio.client import Client
from nats.aio.msg import Msg

from services.gateway.ports import Principal, Principals, WidgetKey
from shared.adapters.envelope import Codec, Erased
from shared.adapters.read_model import of_whole_tenant
from shared.contracts.base import Event
from shared.contracts.gateway import (
    ApiTokenRevoked,
    SessionEnded,
    TenantDeactivated,
    TenantReactivated,
    TenantUpdated,
    UserDeactivated,
    UserErased,
    UserPasswordChanged,
    UserReactivated,
    UserUpdated,
    WidgetKeyRevoked,
    WidgetKeyUpdated,
)
from shared.contracts.gateway_erasure import ErasureTold
from shared.kernel.errors import Unavailable
from shared.kernel.renewal import Renewal
from shared.kernel.single_flight import SingleFlight

log = logging.getLogger(__name__)

ENTRIES = 50_000
SETTLING = 2.0
"""Seconds after a change in which nothing about it is kept: the event is told before the rows of
every gateway's database show it.
"""
TELLING: tuple[type[Event], ...] = (
    ApiTokenRevoked,
    ErasureTold,
    SessionEnded,
    TenantDeactivated,
    TenantReactivated,
    TenantUpdated,
    UserDeactivated,
    UserErased,
    UserPasswordChanged,
    UserReactivated,
    UserUpdated,
    WidgetKeyRevoked,
    WidgetKeyUpdated,
)
"""After these, what was remembered may be wrong."""

T = TypeVar("T", Principal, WidgetKey)


@dataclass(frozen=True, slots=True)
class Entry:
    """What was found, when, and what it depends on."""

    found: Principal | WidgetKey
    at: float
    about: tuple[str, ...]
    renewal: Renewal


class CachedPrincipals:
    """Answers without the database for credentials seen lately; a change's event ends that at
    once, on every gateway.
    """

    def __init__(self, client: Client, codec: Codec, lookups: Principals, seconds: float) -> None:
        self._client = client
        self._codec = codec
        self._lookups = lookups
        self._seconds = seconds
        self._known: TTLCache[str, Entry] = TTLCache(ENTRIES, seconds)
        self._changed: dict[str, float] = {}
        """Since when, oldest first; kept as long as anything that was known before may be."""
        self._keeping = seconds + SETTLING
        self._tenants: TTLCache[str, None] = TTLCache(ENTRIES, 3 * SETTLING)
        self._under_way = SingleFlight()
        """Lookups since the last change and connection: whoever comes behind joins no older one."""
        self._settled = 0.0
        self._reconnects = 0

    def changed(self) -> Collection[str]:
        """Tenants in which something of this kind changed a moment ago."""
        self._tenants.expire()
        return self._tenants.keys()

    async def start(self) -> None:
        """Follow changes. The log republishes to `live.` only what it has stored."""
        for event in TELLING:
            subject = f"live.*.{event.aggregate}.*.{event.name}"
            await self._client.subscribe(subject, cb=self._on_change)

    async def of_token(self, token_hash: str) -> Principal | None:
        """Who an API token speaks for that is not revoked."""
        return await self._find(
            f"token {token_hash}", lambda: self._lookups.of_token(token_hash), of_principal
        )

    async def of_session(self, tenant_id: str, session_id: str) -> Principal | None:
        """Who is logged in, or None if the session is over."""
        return await self._find(
            f"session {tenant_id} {session_id}",
            lambda: self._lookups.of_session(tenant_id, session_id),
            of_principal,
        )

    async def of_widget_key(self, tenant_id: str, key_id: str) -> WidgetKey | None:
        """What a widget key gives."""
        return await self._find(
            f"widget_key {tenant_id} {key_id}",
            lambda: self._lookups.of_widget_key(tenant_id, key_id),
            of_widget_key,
        )

    async def _find(
        self,
        key: str,
        lookup: Callable[[], Awaitable[T | None]],
        about: Callable[[T], tuple[str, ...]],
    ) -> T | None:
        look = partial(self._look, key, lookup, about)
        if not self._in_touch():
            return await look()
        if (known := self._known.get(key)) is not None and self._holds(known):
            if not known.renewal.is_wanted(time.monotonic()):
                return known.found  # type: ignore[return-value]  # the key tells which it is
            known.renewal.begun = True
        if time.monotonic() < self._settled:
            return await look()
        return await self._under_way.do(key, look)

    async def _look(
        self,
        key: str,
        lookup: Callable[[], Awaitable[T | None]],
        about: Callable[[T], tuple[str, ...]],
    ) -> T | None:
        before = time.monotonic()
        found = await lookup()
        if found is None:
            self._known.pop(key, None)
        else:
            renewal = Renewal.within(before, self._seconds)
            self._known[key] = Entry(found, before, about(found), renewal)
        return found

    def _holds(self, entry: Entry) -> bool:
        changes = (self._changed.get(subject) for subject in entry.about)
        return all(at is None or entry.at > at + SETTLING for at in changes)

    def _in_touch(self) -> bool:
        """Without a broker nothing is answered from memory; nor what was known before it went."""
        if not self._client.is_connected:
            return False
        reconnects = self._client.stats["reconnects"]
        if reconnects != self._reconnects:
            self._reconnects = reconnects
            self._known.clear()
            self._under_way = SingleFlight()
        return True

    async def _on_change(self, message: Msg) -> None:
        _, tenant_id, aggregate, aggregate_id, _ = message.subject.split(".")
        if aggregate in ("directory", ErasureTold.aggregate):
            try:
                event = (await self._codec.recorded(0, message.headers or {}, message.data)).event
            except (Erased, Unavailable):
                aggregate, aggregate_id = "tenant", tenant_id  # whoever it is about is one of it
            else:
                if of_whole_tenant(event):
                    aggregate, aggregate_id = "tenant", tenant_id
                elif aggregate == "directory":
                    aggregate, aggregate_id = "user", str(getattr(event, "user_id", ""))
        self._tenants[tenant_id] = None
        self._note(f"{aggregate} {tenant_id} {aggregate_id}")

    def _note(self, subject: str) -> None:
        now = time.monotonic()
        self._under_way, self._settled = SingleFlight(), now + SETTLING
        self._changed.pop(subject, None)
        self._changed[subject] = now
        # A cache with an end for each entry would be asked three times for every request.
        for old, at in list(islice(self._changed.items(), 2)):
            if at < now - self._keeping:
                del self._changed[old]


def of_principal(found: Principal) -> tuple[str, ...]:
    """What it depends on."""
    kind = "api_token" if found.kind == "token" else found.kind
    tenant_id = found.tenant_id
    return (
        f"{kind} {tenant_id} {found.id}",
        f"user {tenant_id} {found.user_id}",
        f"tenant {tenant_id} {tenant_id}",
    )


def of_widget_key(found: WidgetKey) -> tuple[str, ...]:
    """What it depends on."""
    tenant_id = found.tenant_id
    return (f"widget_key {tenant_id} {found.key_id}", f"tenant {tenant_id} {tenant_id}")
