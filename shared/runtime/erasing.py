"""What every service does when something is erased: clear what it keeps, and say so."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from shared.adapters.read_model import ReadModelStore, of_whole_tenant, takes_rows
from shared.contracts.base import Recorded
from shared.contracts.gateway_erasure import ErasureTold, RecordErasurePart
from shared.kernel import faults
from shared.kernel.errors import Unavailable
from shared.kernel.faults import FaultPoint
from shared.runtime.ordering import order
from shared.runtime.service import Service

SHOWN_SECONDS = 30.0
ATTEMPTS = 1000
"""An erasure is not given up because something is away for hours."""
AT_ONCE = 64
"""Erasures that may wait for the same writing of tables."""

EndTenant = Callable[[str], Awaitable[None]]
"""Takes away what a service keeps of a tenant beside its rows. Repeated when it fails."""


def take_part(
    service: Service, *stores: ReadModelStore, end_tenant: EndTenant | None = None
) -> None:
    """Clear these read models, which must be all that the service keeps, of what is erased."""
    clear = Clear(service, stores, end_tenant)
    service.reacts("erase", [ErasureTold], clear, concurrency=AT_ONCE, attempts=ATTEMPTS)


class Together:
    """Does work that locks tables once for all who wait for it."""

    def __init__(self, work: Callable[[], Awaitable[object]]) -> None:
        self._work = work
        self._one = asyncio.Lock()
        self._begun = self._done = 0

    async def __call__(self) -> None:
        """Return once a run has ended that began after this call. Raises what the work raises."""
        wanted = self._begun + 1
        async with self._one:
            if self._done >= wanted:
                return
            self._begun += 1
            mine = self._begun
            await self._work()
            self._done = mine


class Clear:
    """Waits until the rows show what is erased, then takes their old versions from the disk."""

    def __init__(
        self,
        service: Service,
        stores: Sequence[ReadModelStore],
        end_tenant: EndTenant | None = None,
    ) -> None:
        self._service = service
        self._scrubs = [(store, Together(store.scrub)) for store in stores]
        self._end_tenant = end_tenant

    async def __call__(self, recorded: Recorded[ErasureTold]) -> None:
        """Raise `Unavailable` if it should be tried again."""
        event, tenant_id = recorded.event, recorded.tenant_id
        whole = of_whole_tenant(event)
        concerned = [one for one in self._scrubs if takes_rows(event, one[0].model)]
        for store, _ in concerned:
            shown = self._service.shown(store.model.name)
            if await shown(recorded.sequence, SHOWN_SECONDS) < recorded.sequence:
                raise Unavailable(f"{store.schema} does not show the erasure yet")
            if whole:
                # Whoever held the key a moment longer may have told something behind the erasure.
                async with store.writing() as db:
                    await store.forget(db, tenant_id)
        if whole and self._end_tenant is not None:
            await self._end_tenant(tenant_id)
        for _, scrub in concerned:
            await scrub()
        faults.passed(FaultPoint.ERASURE_CLEARED)
        part = RecordErasurePart(erasure_id=event.erasure_id, service=self._service.name)
        await order(self._service.platform, part, recorded.metadata, "erased")
