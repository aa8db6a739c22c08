"""What the gateway does about what it sees."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Protocol

from services.gateway.domain.retention import too_old
from services.gateway.domain.tokens import USE_TOLD_EVERY
from shared.contracts.base import Command, Done, Metadata, Recorded
from shared.contracts.gateway import EraseUser, RecordTokenUse
from shared.contracts.gateway_erasure import ErasureRequested, RecordErasureTold, RequestErasure
from shared.contracts.scheduler import ScheduleFired
from shared.kernel import faults
from shared.kernel.clock import utc_now
from shared.kernel.errors import MiniRagError, NotFound
from shared.kernel.faults import FaultPoint
from shared.kernel.ids import derived_id, new_id

log = logging.getLogger(__name__)

FLUSH_SECONDS = 2.0

Execute = Callable[[Command, Metadata, str], Awaitable[Done]]
Current = Callable[[str, str, str], Awaitable[Any]]


class TokenUses:
    """Remembers that tokens are used, and tells it now and then: no request writes for it."""

    def __init__(self, execute: Execute) -> None:
        self._execute = execute
        self._told: dict[tuple[str, str], float] = {}
        self._used: dict[tuple[str, str], datetime] = {}

    def note(self, tenant_id: str, token_id: str) -> None:
        """The token was used."""
        key = (tenant_id, token_id)
        if key not in self._told:
            self._used[key] = utc_now()

    async def run(self) -> None:
        """Tell what is due, for ever."""
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            horizon = time.monotonic() - USE_TOLD_EVERY.total_seconds()
            self._told = {key: at for key, at in self._told.items() if at > horizon}
            due, self._used = self._used, {}
            for (tenant_id, token_id), used_at in due.items():
                self._told[tenant_id, token_id] = time.monotonic()
                await self._tell(tenant_id, token_id, used_at)

    async def _tell(self, tenant_id: str, token_id: str, used_at: datetime) -> None:
        cause = new_id()
        metadata = Metadata(
            tenant_id=tenant_id, message_id=cause, correlation_id=cause, now=utc_now()
        )
        try:
            await self._execute(
                RecordTokenUse(token_id=token_id, used_at=used_at), metadata, "token-use"
            )
        except MiniRagError as error:
            log.warning("use of a token not recorded", extra={"error": str(error)})


class EraseOld:
    """When the day's time has come, orders that what has become too old is erased."""

    def __init__(self, execute: Execute, current: Current) -> None:
        self._execute = execute
        self._current = current

    async def __call__(self, recorded: Recorded[ScheduleFired]) -> None:
        event, tenant_id = recorded.event, recorded.tenant_id
        if event.schedule_id != tenant_id:
            return  # of a source
        retention = await self._current("retention", tenant_id, tenant_id)
        old = too_old(retention, event.slot)
        if old is None:
            return
        command = RequestErasure(
            erasure_id=derived_id("erasure", recorded.event_id),
            kind="retention",
            subject_id=tenant_id,
            **old.model_dump(),
        )
        await self._execute(command, recorded.metadata, "erase old")


class Keys(Protocol):
    """Of the vault."""

    async def erase_tenant(self, tenant_id: str) -> None: ...


class EraseTenants:
    """Destroys the keys of a tenant that is ordered to be gone, and then tells it."""

    def __init__(self, execute: Execute, keys: Keys) -> None:
        self._execute = execute
        self._keys = keys

    async def __call__(self, recorded: Recorded[ErasureRequested]) -> None:
        event = recorded.event
        if event.kind != "tenant":
            return
        await self._keys.erase_tenant(recorded.tenant_id)
        faults.passed(FaultPoint.ERASURE_KEYS)
        told = RecordErasureTold(erasure_id=event.erasure_id, counts={"tenants": 1})
        await self._execute(told, recorded.metadata, "told")


class Forgets(Protocol):
    """Of the vault."""

    async def remove(self, tenant_id: str, ref: str) -> None: ...


class EraseUsers:
    """Tells that a user is erased, when that is ordered."""

    def __init__(
        self,
        execute: Execute,
        vault: Forgets,
        password_ref: Callable[[str, str], Awaitable[str]],
    ) -> None:
        self._execute = execute
        self._vault = vault
        self._password_ref = password_ref

    async def __call__(self, recorded: Recorded[ErasureRequested]) -> None:
        event, meta = recorded.event, recorded.metadata
        if event.kind != "user":
            return
        user_id = event.subject_id
        try:
            ref = await self._password_ref(recorded.tenant_id, user_id)
        except NotFound:
            pass  # erased already: this is a repetition
        else:
            await self._vault.remove(recorded.tenant_id, ref)
        await self._execute(
            EraseUser(tenant_id=recorded.tenant_id, user_id=user_id), meta, "erase user"
        )
        told = RecordErasureTold(erasure_id=event.erasure_id, counts={"users": 1})
        await self._execute(told, meta, "told")
