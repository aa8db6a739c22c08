"""Which class an event of the log becomes: the messages of every service."""

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
from shared.kernel.decoding import EventRegistry

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
