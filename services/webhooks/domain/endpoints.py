"""What may happen to an endpoint.

An endpoint that only fails is disabled after days, not after a bad hour: the clock starts with the
second failure within a day, and one success stops it (as Svix does).
"""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from shared.contracts.base import Message, Metadata
from shared.contracts.public import PUBLIC_TYPES
from shared.contracts.webhooks import (
    CreateWebhook,
    DeleteWebhook,
    NoteAttempt,
    ReplayRequested,
    RequestReplay,
    RotateSecret,
    SecretRotated,
    UpdateWebhook,
    WebhookCommand,
    WebhookCreated,
    WebhookDeleted,
    WebhookDisabled,
    WebhookEvent,
    WebhookFailing,
    WebhookFaltered,
    WebhookRecovered,
    WebhookSettings,
    WebhookUpdated,
)
from shared.kernel.decider import Decider
from shared.kernel.errors import Conflict, InvalidCommand, NotFound

WEB = re.compile(r"https?://[^/\s]", re.IGNORECASE)
FALTERING = timedelta(days=1)
"""Two failures within it start the clock."""
FAILING = timedelta(days=5)
"""So long nothing but failures, and the endpoint is disabled."""
LONGEST_OVERLAP = timedelta(days=7)
LONGEST_REPLAY = timedelta(days=31)


class NoEndpoint(Message):
    kind: Literal["absent"] = "absent"


class Endpoint(Message):
    kind: Literal["present"] = "present"
    settings: WebhookSettings
    secret_ref: str
    previous_ref: str | None = None
    previous_until: datetime | None = None
    faltered_at: datetime | None = None
    failing_since: datetime | None = None
    deleted: bool = False

    @property
    def healthy(self) -> bool:
        """Whether the last thing that is known of it is a success, or nothing."""
        return self.faltered_at is None and self.failing_since is None

    def secret_refs(self, now: datetime) -> tuple[str, ...]:
        """Where the secrets lie that a delivery is signed with, the current one first."""
        if self.previous_ref and self.previous_until and now < self.previous_until:
            return (self.secret_ref, self.previous_ref)
        return (self.secret_ref,)


EndpointState = NoEndpoint | Endpoint


def decide(
    endpoint: EndpointState, command: WebhookCommand, meta: Metadata
) -> Sequence[WebhookEvent]:
    """What `command` does. Raises `NotFound`, `Conflict` or `InvalidCommand`."""
    match command:
        case CreateWebhook(webhook_id=webhook_id, settings=settings, secret_ref=secret_ref):
            if isinstance(endpoint, Endpoint):
                raise Conflict("A webhook with this id exists already")
            _check(settings)
            return [WebhookCreated(webhook_id=webhook_id, settings=settings, secret_ref=secret_ref)]
        case UpdateWebhook():
            return _update(_existing(endpoint), command)
        case DeleteWebhook(webhook_id=webhook_id):
            found = _existing(endpoint)
            refs = [ref for ref in (found.secret_ref, found.previous_ref) if ref]
            return [WebhookDeleted(webhook_id=webhook_id, secret_refs=tuple(refs))]
        case RotateSecret():
            return _rotate(_existing(endpoint), command, meta)
        case RequestReplay():
            return _replay(_existing(endpoint), command)
        case NoteAttempt():
            return _note(endpoint, command, meta)


def _existing(endpoint: EndpointState) -> Endpoint:
    if isinstance(endpoint, NoEndpoint) or endpoint.deleted:
        raise NotFound("Webhook not found")
    return endpoint


def _check(settings: WebhookSettings) -> None:
    if not WEB.match(settings.url):
        raise InvalidCommand("url must be an http or https address", field="url")
    unknown = [name for name in settings.events if name not in PUBLIC_TYPES]
    if unknown:
        allowed = ", ".join(sorted(PUBLIC_TYPES))
        raise InvalidCommand(
            f"Invalid event type: {unknown[0]}. Allowed: {allowed}", field="events"
        )


def _update(endpoint: Endpoint, command: UpdateWebhook) -> Sequence[WebhookEvent]:
    try:
        settings = WebhookSettings.model_validate(
            endpoint.settings.model_dump() | dict(command.changes)
        )
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0])
        raise InvalidCommand(f"{field}: {first['msg']}", field=field) from error
    _check(settings)
    if settings == endpoint.settings:
        return []
    return [WebhookUpdated(webhook_id=command.webhook_id, settings=settings)]


def _rotate(endpoint: Endpoint, command: RotateSecret, meta: Metadata) -> Sequence[WebhookEvent]:
    overlap = timedelta(seconds=command.overlap_seconds)
    if overlap > LONGEST_OVERLAP:
        raise InvalidCommand(
            f"overlap_seconds must be at most {LONGEST_OVERLAP // timedelta(seconds=1)}",
            field="overlap_seconds",
        )
    until = endpoint.previous_until
    if overlap and until is not None and meta.now < until:
        raise Conflict(
            f"The secret before is still good until {until.isoformat()}; rotate with an overlap of "
            "0 to end that now"
        )
    return [
        SecretRotated(
            webhook_id=command.webhook_id,
            secret_ref=command.secret_ref,
            previous_ref=endpoint.secret_ref,
            previous_until=meta.now + overlap,
            dropped_ref=endpoint.previous_ref,
        )
    ]


def _replay(endpoint: Endpoint, command: RequestReplay) -> Sequence[WebhookEvent]:
    if not endpoint.settings.is_active:
        raise Conflict("The webhook is disabled; switch it on before you replay")
    if command.until <= command.since:
        raise InvalidCommand("to must be later than from", field="to")
    if command.until - command.since > LONGEST_REPLAY:
        raise InvalidCommand(f"At most {LONGEST_REPLAY.days} days at a time", field="from")
    return [
        ReplayRequested(webhook_id=command.webhook_id, since=command.since, until=command.until)
    ]


def _note(endpoint: EndpointState, command: NoteAttempt, meta: Metadata) -> Sequence[WebhookEvent]:
    """Says nothing about one that is deleted or disabled: that attempt came too late."""
    if isinstance(endpoint, NoEndpoint) or endpoint.deleted or not endpoint.settings.is_active:
        return []
    webhook_id, since = command.webhook_id, endpoint.failing_since
    if command.delivered:
        return [] if endpoint.healthy else [WebhookRecovered(webhook_id=webhook_id)]
    if command.gone:
        return [WebhookDisabled(webhook_id=webhook_id, reason="gone", failing_since=since)]
    if since is not None:
        if meta.now - since < FAILING:
            return []
        return [WebhookDisabled(webhook_id=webhook_id, reason="failing", failing_since=since)]
    faltered = endpoint.faltered_at
    if faltered is not None and meta.now - faltered <= FALTERING:
        return [WebhookFailing(webhook_id=webhook_id, since=meta.now)]
    return [WebhookFaltered(webhook_id=webhook_id, at=meta.now)]


def evolve(endpoint: EndpointState, event: WebhookEvent) -> EndpointState:
    match event:
        case WebhookCreated(settings=settings, secret_ref=secret_ref):
            return Endpoint(settings=settings, secret_ref=secret_ref)
        case _ if isinstance(endpoint, NoEndpoint):
            return endpoint
        case WebhookUpdated(settings=settings):
            changes: dict[str, object] = {"settings": settings}
            if settings.is_active and not endpoint.settings.is_active:
                changes |= {"faltered_at": None, "failing_since": None}
            return endpoint.model_copy(update=changes)
        case WebhookDeleted():
            return endpoint.model_copy(update={"deleted": True})
        case SecretRotated():
            return endpoint.model_copy(
                update={
                    "secret_ref": event.secret_ref,
                    "previous_ref": event.previous_ref,
                    "previous_until": event.previous_until,
                }
            )
        case ReplayRequested():
            return endpoint
        case WebhookFaltered(at=at):
            return endpoint.model_copy(update={"faltered_at": at})
        case WebhookFailing(since=since):
            return endpoint.model_copy(update={"failing_since": since})
        case WebhookRecovered():
            return endpoint.model_copy(update={"faltered_at": None, "failing_since": None})
        case WebhookDisabled():
            settings = endpoint.settings.model_copy(update={"is_active": False})
            return endpoint.model_copy(update={"settings": settings})


endpoint_decider: Decider[EndpointState, WebhookCommand, WebhookEvent] = Decider(
    aggregate="webhook_endpoint",
    initial=NoEndpoint(),
    state=TypeAdapter(Annotated[EndpointState, Field(discriminator="kind")]),
    decide=decide,
    evolve=evolve,
)
