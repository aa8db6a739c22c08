"""Events of the log as lines of an archive, and back: in clear, without secrets."""

import secrets
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from shared.adapters.envelope import DataKeys
from shared.adapters.origins import Origin, open_origin, seal_origin, user_of
from shared.adapters.tenant_archive import EventLine, OriginLine
from shared.contracts.base import Event, Metadata, Recorded
from shared.contracts.chat import BotProfileCreated, BotProfileUpdated
from shared.contracts.gateway import ApiTokenIssued, ApiTokenRevoked, UserCreated, UserUpdated
from shared.contracts.ingest import SourceCreated, SourceUpdated
from shared.contracts.webhooks import WebhookCreated, WebhookUpdated
from shared.kernel.decoding import EventRegistry, UnknownEvent
from shared.kernel.emails import email_hash
from shared.kernel.errors import Unusable
from shared.kernel.registry import REGISTRY
from shared.kernel.tokens import token_hash

STAYING = frozenset({"dead_letter", "delivery", "schedule", "session", "tenant_slug"})
"""Aggregates that belong to an installation: what it sent, when it will do what, who is logged in.
The claim on the slug and the schedules are made anew.
"""

Without = Callable[[Any], dict[str, Any]]


def _no_credentials(event: BotProfileCreated | BotProfileUpdated) -> dict[str, Any]:
    return {"settings": event.settings.model_copy(update={"credentials_ref": None})}


def _no_token(event: SourceCreated | SourceUpdated) -> dict[str, Any]:
    return {"settings": event.settings.model_copy(update={"token_ref": None})}


def _no_hash(event: ApiTokenIssued | ApiTokenRevoked) -> dict[str, Any]:
    return {"token_hash": token_hash(f"left out: {event.token_id}")}


def _no_email_hash(event: UserCreated | UserUpdated) -> dict[str, Any]:
    return {"email_hash": None if event.email_hash is None else ""}


def _switched_off(event: WebhookCreated | WebhookUpdated) -> dict[str, Any]:
    return {"settings": event.settings.model_copy(update={"is_active": False})}


SECRETS: Mapping[type[Event], Without] = {
    ApiTokenIssued: _no_hash,
    ApiTokenRevoked: _no_hash,
    BotProfileCreated: _no_credentials,
    BotProfileUpdated: _no_credentials,
    SourceCreated: _no_token,
    SourceUpdated: _no_token,
    UserCreated: _no_email_hash,
    UserUpdated: _no_email_hash,
    WebhookCreated: _switched_off,
    WebhookUpdated: _switched_off,
}
"""What is taken out of events. Endpoints are switched off, since their receivers would hear two
installations, and check signatures by a secret that only one of them has.
"""


def without_secrets(event: Event) -> Event:
    """The event as it may leave the installation."""
    without = SECRETS.get(type(event))
    return event if without is None else event.model_copy(update=without(event))


async def line_of(record: Recorded[Event], keys: DataKeys) -> EventLine:
    """The event in clear; what was erased stays erased."""
    metadata, event = record.metadata, without_secrets(record.event)
    origin = None
    if metadata.origin is not None:
        found = await open_origin(keys, metadata.tenant_id, metadata.origin)
        if found is not None:
            origin = OriginLine(
                user_id=user_of(metadata.origin),
                address=found.address,
                user_agent=found.user_agent,
            )
    return EventLine(
        id=record.event_id,
        type=event.type(),
        at=metadata.now,
        actor=metadata.actor,
        command=metadata.message_id,
        correlation=metadata.correlation_id,
        cause=metadata.causation_id,
        trace=metadata.traceparent,
        origin=origin,
        body=event.model_dump(mode="json"),
    )


def event_of(line: EventLine, registry: EventRegistry = REGISTRY) -> Event:
    """Raise `Unusable` for what no archive of this version or an older one holds.

    Secrets that somebody wrote into an archive are taken out here too: a reference would open
    what another event put into the vault.
    """
    try:
        event = registry.decode(line.type, line.body)
    except UnknownEvent as error:
        raise Unusable(
            f"the archive holds events {line.type!r}, which only a newer version knows"
        ) from error
    except ValidationError as error:
        raise Unusable(f"event {line.id} does not have the shape of {line.type}") from error
    if event.spans_tenants or event.aggregate in STAYING:
        raise Unusable(f"the archive holds events {line.type!r}, which do not belong there")
    return without_secrets(event)


class Transcriber:
    """Makes events of an archive those of this installation, sealed with its own keys."""

    def __init__(self, keys: DataKeys, tenant_id: str, archive: str) -> None:
        self._keys = keys
        self._tenant_id = tenant_id
        self._archive = archive

    async def record(self, line: EventLine, event: Event) -> Recorded[Event]:
        """The event as it is to be stored."""
        origin = None
        if line.origin is not None:
            told = Origin(address=line.origin.address, user_agent=line.origin.user_agent)
            origin = await seal_origin(self._keys, self._tenant_id, line.origin.user_id, told)
        metadata = Metadata(
            tenant_id=self._tenant_id,
            message_id=line.command,
            correlation_id=line.correlation,
            causation_id=line.cause,
            actor=line.actor,
            now=line.at,
            traceparent=line.trace,
            origin=origin,
            imported=self._archive,
        )
        if isinstance(event, UserCreated | UserUpdated) and event.email is not None:
            # What was erased must not look like the same address twice.
            key = await self._keys.data_key(self._tenant_id, "tenant", create=True)
            told_email = event.email if "@" in event.email else secrets.token_hex(16)
            event = event.model_copy(update={"email_hash": email_hash(key or b"", told_email)})
        return Recorded(event, metadata, line.id, 0)
