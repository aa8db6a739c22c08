"""Values that many tests need and none is about."""

from datetime import UTC, datetime
from typing import Any, TypeVar

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
