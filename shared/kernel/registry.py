"""Which class an event of the log becomes, and how old shapes are lifted to the newest."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from shared.contracts import (
    analytics,
    audit,
    chat,
    chat_history,
    chat_index,
    chat_playground,
    chat_playground_views,
    chat_providers,
    chat_retrieval,
    gateway,
    gateway_erasure,
    gateway_letters,
    ingest,
    ingest_backlog,
    ingest_history,
    ingest_shadow,
    ingest_shadow_parts,
    ingest_stages,
    ingest_website,
    operations,
    scheduler,
    webhooks,
)
from shared.contracts.base import Command, Event, Keyed, Question

Body = dict[str, Any]
Upcaster = Callable[[Body], tuple[str, Body]]
"""Turns the body of one released type into the next: returns the next type's name and body."""

UPCASTERS: Mapping[str, Upcaster] = {}
"""By the type they lift, for example `source.created.v1`."""

CONTRACTS = (
    analytics,
    audit,
    chat,
    chat_history,
    chat_index,
    chat_playground,
    chat_playground_views,
    chat_providers,
    chat_retrieval,
    gateway,
    gateway_erasure,
    gateway_letters,
    ingest,
    ingest_backlog,
    ingest_history,
    ingest_shadow,
    ingest_shadow_parts,
    ingest_stages,
    ingest_website,
    operations,
    scheduler,
    webhooks,
)


class UnknownEvent(LookupError):
    """The log holds a type this version does not know: it was written by a newer one."""


class EventRegistry:
    """Decodes stored bodies. Handlers and projections only ever see the newest shape."""

    def __init__(
        self, events: Iterable[type[Event]], upcasters: Mapping[str, Upcaster] = UPCASTERS
    ) -> None:
        self._classes = {event.type(): event for event in events}
        self._upcasters = upcasters

    def knows(self, type_name: str) -> bool:
        """Whether stored events of this type can be read."""
        return type_name in self._classes or type_name in self._upcasters

    def newest(self, type_name: str) -> type[Event] | None:
        """The class of a type whose bodies need no lifting; None for any other."""
        return self._classes.get(type_name)

    def decode(self, type_name: str, body: Body) -> Event:
        """Raise `UnknownEvent` for a type that is neither known nor can be lifted."""
        while type_name not in self._classes:
            upcast = self._upcasters.get(type_name)
            if upcast is None:
                raise UnknownEvent(type_name)
            type_name, body = upcast(body)
        return self._classes[type_name].model_validate(body)

    def event_class(self, type_name: str, body: Body) -> type[Event]:
        """The class `decode` would use, without validating."""
        while type_name not in self._classes:
            upcast = self._upcasters.get(type_name)
            if upcast is None:
                raise UnknownEvent(type_name)
            type_name, body = upcast(body)
        return self._classes[type_name]


def released(kind: type[Keyed] | type[Question[Any]]) -> list[Any]:
    """Every concrete message class of the contracts below `kind`, sorted by name."""
    marks = ("verb",) if issubclass(kind, Command) else ("name",)
    found = {
        cls
        for module in CONTRACTS
        for cls in vars(module).values()
        if isinstance(cls, type)
        and issubclass(cls, kind)
        and cls.__module__ == module.__name__
        and all(isinstance(getattr(cls, mark, None), str) for mark in marks)
        and (not issubclass(cls, Keyed) or isinstance(getattr(cls, "aggregate", None), str))
    }
    return sorted(found, key=lambda cls: (cls.__module__, cls.__name__))


REGISTRY = EventRegistry(released(Event))
