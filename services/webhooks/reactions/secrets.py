"""Secrets that nobody needs any more leave the vault."""

from typing import Protocol

from shared.contracts.base import Recorded
from shared.contracts.webhooks import SecretRotated, WebhookDeleted


class Forgets(Protocol):
    async def remove(self, tenant_id: str, ref: str) -> None: ...

    async def destroy_key(self, tenant_id: str, subject: str) -> None: ...


class ForgetSecrets:
    """After a rotation the one before the previous; after a deletion everything, with the key to
    what receivers answered.
    """

    def __init__(self, vault: Forgets) -> None:
        self._vault = vault

    async def __call__(self, recorded: Recorded[SecretRotated | WebhookDeleted]) -> None:
        tenant_id, event = recorded.tenant_id, recorded.event
        match event:
            case SecretRotated(dropped_ref=dropped, previous_ref=previous, previous_until=until):
                if dropped is not None:
                    await self._vault.remove(tenant_id, dropped)
                if until <= recorded.at:
                    await self._vault.remove(tenant_id, previous)
            case WebhookDeleted(secret_refs=refs):
                for ref in refs:
                    await self._vault.remove(tenant_id, ref)
                await self._vault.destroy_key(tenant_id, f"webhook/{event.webhook_id}")
