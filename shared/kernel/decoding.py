"""How the stored body of an event becomes an object of the newest shape of its class.

Apart from `registry`, which loads the messages of every service: what only reads or writes headers
does without them.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from shared.contracts.base import Event

Body = dict[str, Any]
Upcaster = Callable[[Body], tuple[str, Body]]
"""Turns the body of one released type into the next: returns the next type's name and body."""

UPCASTERS: Mapping[str, Upcaster] = {}
"""By the type they lift, for example `source.created.v1`."""


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
