"""A tenant's public events on subjects of the broker, for subscribers from outside.

Not kept there: who was away reads from `/v1/events` what it missed, by the cursor of the last
event it saw.
"""

from collections.abc import Awaitable, Callable

from services.gateway.http.events import cursor_key, told
from shared.adapters.vault import Vault
from shared.contracts.base import Event, Recorded
from shared.contracts.public import public_event

Publish = Callable[[str, bytes], Awaitable[None]]


class Subscribers:
    """Tells them what happens, each event on a subject of its tenant."""

    def __init__(self, publish: Publish, vault: Vault) -> None:
        self._publish = publish
        self._vault = vault

    async def tell(self, recorded: Recorded[Event]) -> None:
        """Do nothing about an event that is not public."""
        if public_event(recorded.event) is None:
            return
        out = told(recorded, await cursor_key(self._vault, recorded.tenant_id))
        subject = f"public.{recorded.tenant_id}.{out.type}"
        await self._publish(subject, out.model_dump_json().encode())
