"""Values that many tests need and none is about."""

import os
from datetime import UTC, datetime
from typing import Any, TypeVar

from typing_extensions import override

from shared.adapters.envelope import SealingKeys
from shared.contracts.base import Event, Metadata, Recorded
from shared.kernel.ids import derived_id

E = TypeVar("E", bound=Event)

T0 = datetime(2026, 1, 1, 12, 30, tzinfo=UTC)
TENANT = derived_id("tenant", "acme")


def metadata(command: str = "command", **fields: Any) -> Metadata:
    """Metadata of the command with this name; the same name gives the same id."""
    return Metadata(
        **{
            "tenant_id": TENANT,
            "message_id": derived_id("command", command),
            "correlation_id": derived_id("request", command),
            "actor": "token/t1",
            "now": T0,
            **fields,
        }
    )


def recorded(event: E, sequence: int = 1) -> Recorded[E]:
    """`event` as it stands in the log."""
    return Recorded(event, metadata(), derived_id("event", str(sequence)), sequence)


class MemoryKeys(SealingKeys):
    """Keys that are gone when the test is."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], bytes] = {}
        self.tenants: dict[str, bytes] = {}
        self.erased: set[str] = set()
        self.asked = 0

    @override
    async def data_key(self, tenant_id: str, subject: str, *, create: bool) -> bytes | None:
        self.asked += 1
        if create:
            self.kept.setdefault((tenant_id, subject), os.urandom(32))
        return self.kept.get((tenant_id, subject))

    @override
    async def tenant_key(self, tenant_id: str) -> bytes | None:
        if tenant_id in self.erased:
            return None
        return self.tenants.setdefault(tenant_id, os.urandom(32))
