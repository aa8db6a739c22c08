"""`minirag tenant`: what an operator alone may do with a tenant."""

import sys
from pathlib import Path

from shared.adapters.event_log import EventLog
from shared.cli.status import operator, operators_metadata
from shared.contracts.base import GLOBAL_TENANT
from shared.contracts.gateway import DeactivateTenant, ReactivateTenant, SlugClaimed
from shared.kernel.errors import NotFound, Unavailable


async def switch(data_dir: Path, slug: str, *, active: bool) -> None:
    """Let a tenant in or shut it out. Raises `NotFound` if nobody has the slug."""
    async with operator(data_dir) as it:
        tenant_id = await tenant_of(it.event_log, slug)
        command = (ReactivateTenant if active else DeactivateTenant)(tenant_id=tenant_id)
        done = await it.bus.order(command, operators_metadata(tenant_id), "gateway")
        if done is None:
            raise Unavailable("the order is stored; the gateway will follow it when it is back")
    sys.stdout.write(f"tenant {slug} is {'let in' if active else 'shut out'}\n")


async def tenant_of(event_log: EventLog, slug: str) -> str:
    """Whose slug it is. Raises `NotFound` if nobody has it."""
    name = SlugClaimed(slug=slug, tenant_id="").aggregate_id
    found = await event_log.last_of(GLOBAL_TENANT, SlugClaimed.aggregate, name)
    if found is None or not isinstance(found.event, SlugClaimed) or found.event.slug != slug:
        raise NotFound(f"no tenant has the slug {slug!r}")
    return found.event.tenant_id
