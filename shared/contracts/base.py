"""The shapes a message can take, and what travels beside it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field

GLOBAL_TENANT = "_"
"""Where the few facts live that span tenants, such as the claim on a tenant's slug."""


class Message(BaseModel):
    """Immutable; fields a newer writer added are ignored, never an error."""

    model_config = ConfigDict(frozen=True, extra="ignore")


@dataclass(frozen=True, slots=True)
class Personal:
    """Marks a field that holds personal text: `Annotated[str, Personal()]`.

    Outside a process the field is encrypted with the key of the message's `data_subject`;
    destroying that key turns every copy of it, in every backup, into `erased`.
    """

    erased: Any = "[erased]"


class Keyed(Message):
    """A message about one aggregate."""

    aggregate: ClassVar[str]
    in_clear: ClassVar[bool] = False
    """Stays readable when its tenant is erased: it holds ids and numbers only."""

    @property
    def aggregate_id(self) -> str:
        """Which aggregate of its type the message is about."""
        raise NotImplementedError

    @property
    def data_subject(self) -> str | None:
        """Whose key protects the `Personal` fields, for example `chat/<id>`."""
        return None

    @classmethod
    def personal_fields(cls) -> Iterator[tuple[str, Personal]]:
        """The names of the personal fields, and what stands there once erased."""
        for name, field in cls.model_fields.items():
            for mark in field.metadata:
                if isinstance(mark, Personal):
                    yield name, mark


class Command(Keyed):
    """An order to the owner of an aggregate. Imperative name. May be refused."""

    verb: ClassVar[str]


class Event(Keyed):
    """A fact. Past tense. Cannot be refused, only reacted to."""

    name: ClassVar[str]
    version: ClassVar[int] = 1
    spans_tenants: ClassVar[bool] = False

    @classmethod
    def type(cls) -> str:
        """The released name of this shape, for example `source.created.v1`."""
        return f"{cls.aggregate}.{cls.name}.v{cls.version}"


class Claim(Event):
    """A fact that can be true only once per `aggregate_id`: it takes a name for good."""

    @property
    def taken(self) -> str:
        """What to tell whoever comes second."""
        raise NotImplementedError


class Metadata(Message):
    """Who, when, and because of what. The only source of time for domain code."""

    tenant_id: str
    message_id: str
    correlation_id: str
    causation_id: str | None = None
    actor: str = "system"
    """`user/<id>`, `token/<id>`, `service/<name>`."""
    now: datetime
    traceparent: str | None = None
    origin: str | None = None
    """From where a person ordered it, sealed; see `shared.adapters.origins`."""
    imported: str | None = None
    """The archive that an event came in with; what followed from it came with it too."""

    def caused(self, *, message_id: str, now: datetime, actor: str | None = None) -> Self:
        """Metadata for a message this message gave rise to."""
        return self.model_copy(
            update={
                "message_id": message_id,
                "causation_id": self.message_id,
                "now": now,
                "actor": actor or self.actor,
                "origin": None if actor else self.origin,
                "imported": None,
            }
        )


E_co = TypeVar("E_co", bound=Event, covariant=True)


@dataclass(frozen=True, slots=True)
class Recorded(Generic[E_co]):
    """An event as it stands in the log."""

    event: E_co
    metadata: Metadata
    """`metadata.message_id` is the id of the command that caused it."""
    event_id: str
    sequence: int
    """Position in the log; positions grow but are not contiguous."""

    @property
    def tenant_id(self) -> str:
        return self.metadata.tenant_id

    @property
    def at(self) -> datetime:
        """When it happened."""
        return self.metadata.now


class Done(Message):
    """A command was handled; a read model at this position shows it."""

    position: int
    made: Mapping[str, Any] | None = None
    """What the owner would answer about what the command made, where it tells that at once. Who
    hears of the command again has to ask."""


class Refusal(Message):
    """A command or question was refused, and why."""

    code: str
    detail: str
    field: str | None = None


Outcome = Done | Refusal

R = TypeVar("R")


class Question(Message, Generic[R]):
    """Asked of the owning service over request/reply; `R` is the shape of the answer."""

    service: ClassVar[str]
    name: ClassVar[str]


SortKey = tuple[int, str]
"""Where an item stands in a list: its position in the log, and its id."""
PAGE_ITEMS = 500


class PagedQuestion(Question[R], Generic[R]):
    """Asked page by page, so that every answer fits into one message however much there is."""

    after: SortKey | None = None
    """The key of the last item of the page before; none: from the beginning."""
    limit: int = Field(default=PAGE_ITEMS, ge=0, le=PAGE_ITEMS)
    """Items at most. A page of large items may hold fewer; `following` tells if there are more."""
    counted: bool = False
    """Tell the number of all items as well."""


class Page(Message):
    """A page of a list; its items stand in a field `items` of their own type."""

    following: SortKey | None = None
    """What `after` has to be to get the next page; none: this was the last."""
    total: int | None = None
