"""What may happen to a widget key, and which pages may use it."""

import re
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from shared.contracts.base import Message, Metadata
from shared.contracts.gateway import (
    CreateWidgetKey,
    RevokeWidgetKey,
    UpdateWidgetKey,
    WidgetKeyCommand,
    WidgetKeyCreated,
    WidgetKeyEvent,
    WidgetKeyRevoked,
    WidgetKeySettings,
    WidgetKeyUpdated,
)
from shared.kernel.decider import Decider
from shared.kernel.errors import Conflict, InvalidCommand, NotFound

LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
ORIGIN = re.compile(
    rf"(?P<scheme>https?)://(?:(?P<wildcard>\*\.)?(?P<host>{LABEL}(?:\.{LABEL})*)|\[[0-9a-f:.]+\])"
    r"(?::[0-9]{1,5})?"
)
"""An origin as browsers send it (RFC 6454, section 6.2), or one with `*.` for its first labels."""


class NoKey(Message):
    kind: Literal["absent"] = "absent"


class Key(Message):
    kind: Literal["present"] = "present"
    settings: WidgetKeySettings
    revoked: bool = False


KeyState = NoKey | Key


def decide(key: KeyState, command: WidgetKeyCommand, _meta: Metadata) -> Sequence[WidgetKeyEvent]:
    """Raises `NotFound`, `Conflict` or `InvalidCommand`."""
    if isinstance(command, CreateWidgetKey):
        if isinstance(key, Key):
            raise Conflict("A widget key with this id exists already")
        _check_origins(command.settings.allowed_origins)
        return [WidgetKeyCreated.model_validate(command.model_dump())]
    if isinstance(key, NoKey):
        raise NotFound("Widget key not found")
    match command:
        case UpdateWidgetKey():
            if key.revoked:
                raise Conflict("The widget key is revoked")
            changes = {
                name: getattr(command, name)
                for name in WidgetKeySettings.model_fields
                if getattr(command, name) is not None
            }
            settings = key.settings.model_copy(update=changes)
            _check_origins(settings.allowed_origins)
            if settings == key.settings:
                return []
            return [WidgetKeyUpdated(key_id=command.key_id, settings=settings)]
        case RevokeWidgetKey(key_id=key_id):
            return [] if key.revoked else [WidgetKeyRevoked(key_id=key_id)]


def evolve(key: KeyState, event: WidgetKeyEvent) -> KeyState:
    """Never raises."""
    match event:
        case WidgetKeyCreated(settings=settings):
            return Key(settings=settings)
        case WidgetKeyUpdated(settings=settings) if isinstance(key, Key):
            return key.model_copy(update={"settings": settings})
        case WidgetKeyRevoked() if isinstance(key, Key):
            return key.model_copy(update={"revoked": True})
        case WidgetKeyUpdated() | WidgetKeyRevoked():
            return key


def allows(allowed_origins: Sequence[str], origin: str) -> bool:
    """Whether a page of `origin` may use the key. `*.` stands for one or more labels."""
    for allowed in allowed_origins:
        scheme, _, host = allowed.partition("://")
        if not host.startswith("*."):
            if origin == allowed:
                return True
            continue
        found = ORIGIN.fullmatch(origin)
        if found and found["scheme"] == scheme and origin.endswith(host[1:]):
            return True
    return False


def _check_origins(origins: Sequence[str]) -> None:
    for origin in origins:
        if not ORIGIN.fullmatch(origin):
            raise InvalidCommand(
                f"{origin!r} is no origin: write https://shop.example or https://*.example.com, "
                "in lower case and without a path",
                field="allowed_origins",
            )


widget_key_decider: Decider[KeyState, WidgetKeyCommand, WidgetKeyEvent] = Decider(
    aggregate="widget_key",
    initial=NoKey(),
    state=TypeAdapter(Annotated[KeyState, Field(discriminator="kind")]),
    decide=decide,
    evolve=evolve,
)
