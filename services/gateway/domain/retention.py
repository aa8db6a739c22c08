"""How long a tenant keeps what people said."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from pydantic import TypeAdapter

from shared.contracts.base import Message, Metadata
from shared.contracts.gateway_erasure import RetentionCommand, RetentionEvent, RetentionSet
from shared.kernel.decider import Decider


class Retention(Message):
    """For ever, at first."""

    chats_days: int | None = None


def decide(
    retention: Retention, command: RetentionCommand, _meta: Metadata
) -> Sequence[RetentionEvent]:
    """Never refuses."""
    if command.chats_days == retention.chats_days:
        return []
    return [RetentionSet(tenant_id=command.tenant_id, chats_days=command.chats_days)]


def evolve(_retention: Retention, event: RetentionEvent) -> Retention:
    """Never raises."""
    return Retention(chats_days=event.chats_days)


def too_old(retention: Retention, at: datetime) -> datetime | None:
    """Chats that were last spoken in before that have become too old by `at`; None: none has."""
    if retention.chats_days is None:
        return None
    return at - timedelta(days=retention.chats_days)


retention_decider: Decider[Retention, RetentionCommand, RetentionEvent] = Decider(
    aggregate="retention",
    initial=Retention(),
    state=TypeAdapter(Retention),
    decide=decide,
    evolve=evolve,
)
