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
    audit_days: int | None = None
    deliveries_days: int | None = None


class TooOld(Message):
    """What is from before these times has become too old; None: nothing of it has."""

    before: datetime | None = None
    audit_before: datetime | None = None
    deliveries_before: datetime | None = None


def decide(
    retention: Retention, command: RetentionCommand, _meta: Metadata
) -> Sequence[RetentionEvent]:
    """Never refuses."""
    event = RetentionSet.model_validate(command.model_dump())
    return [] if evolve(retention, event) == retention else [event]


def evolve(_retention: Retention, event: RetentionEvent) -> Retention:
    """Never raises."""
    return Retention.model_validate(event.model_dump(exclude={"tenant_id"}))


def too_old(retention: Retention, at: datetime) -> TooOld | None:
    """What has become too old by `at`; None: everything is kept until somebody erases it."""
    if retention == Retention():
        return None

    def before(days: int | None) -> datetime | None:
        return None if days is None else at - timedelta(days=days)

    return TooOld(
        before=before(retention.chats_days),
        audit_before=before(retention.audit_days),
        deliveries_before=before(retention.deliveries_days),
    )


retention_decider: Decider[Retention, RetentionCommand, RetentionEvent] = Decider(
    aggregate="retention",
    initial=Retention(),
    state=TypeAdapter(Retention),
    decide=decide,
    evolve=evolve,
)
