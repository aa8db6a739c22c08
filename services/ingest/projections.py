"""Facts about sources → rows."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest.tables import sources, timeline
from shared.contracts.base import Event, Recorded
from shared.contracts.ingest import (
    ChildrenIngestionRequested,
    IngestionStarted,
    SourceCreated,
    SourceDeleted,
    SourceFailed,
    SourceFetched,
    SourceIngested,
    SourcePrepared,
    SourceSettings,
    SourceUnchanged,
    SourceUpdated,
)


class Sources:
    """The list of sources, and each one's timeline."""

    async def apply(self, db: AsyncConnection, recorded: Recorded[Event]) -> None:
        await self.apply_all(db, [recorded])

    async def apply_all(self, db: AsyncConnection, records: Sequence[Recorded[Event]]) -> None:
        """One statement for all timelines, and one for sources that were created in a row."""
        mine = [recorded for recorded in records if recorded.event.aggregate == "source"]
        if not mine:
            return
        await db.execute(insert(timeline), [_entry(recorded) for recorded in mine])
        for created, run in groupby(mine, key=lambda one: isinstance(one.event, SourceCreated)):
            if created:
                await db.execute(insert(sources), [_first_row(recorded) for recorded in run])
                continue
            for recorded in run:
                await _apply(db, recorded)


async def _apply(db: AsyncConnection, recorded: Recorded[Event]) -> None:
    match recorded.event:
        case SourceUpdated(settings=settings):
            await _change(db, recorded, **_settings(settings))
        case SourceDeleted():
            await _change(db, recorded, is_active=False, deleted=True)
        case IngestionStarted():
            await _change(db, recorded, status="processing", error_message=None)
        case SourcePrepared(prepared=prepared):
            await _change(db, recorded, language=prepared.language)
        case SourceIngested(document_count=documents, chunk_count=chunks):
            await _change(
                db,
                recorded,
                status="ready",
                error_message=None,
                document_count=documents,
                chunk_count=chunks,
                last_refreshed_at=recorded.at,
            )
        case SourceUnchanged():
            await _change(
                db, recorded, status="ready", error_message=None, last_refreshed_at=recorded.at
            )
        case SourceFailed(reason=reason):
            await _change(db, recorded, status="error", error_message=reason)
        case _:
            pass


def _entry(recorded: Recorded[Event]) -> dict[str, Any]:
    return {
        "tenant_id": recorded.tenant_id,
        "source_id": recorded.event.aggregate_id,
        "sequence": recorded.sequence,
        "at": recorded.at,
        "event": f"source.{recorded.event.name}",
        "detail": detail(recorded.event),
    }


def detail(event: Event) -> str:
    """One line for people about what happened."""
    match event:
        case SourceFetched(size=size, media_type=media_type):
            return f"{size} bytes of {media_type}"
        case SourcePrepared(prepared=prepared):
            return (
                f"revision {prepared.revision}: {prepared.chunk_count} chunks, "
                f"{prepared.embedded_count} embedded"
            )
        case SourceIngested(revision=0, document_count=documents, chunk_count=chunk_count):
            return f"{documents} remote documents with {chunk_count} chunks"
        case SourceIngested(revision=revision, chunk_count=chunk_count):
            return f"revision {revision} answers with {chunk_count} chunks"
        case IngestionStarted(attempt=attempt):
            return f"attempt {attempt}"
        case SourceFailed(reason=reason):
            return reason
        case SourceUnchanged():
            return "nothing changed"
        case ChildrenIngestionRequested():
            return "every child that is not being processed"
        case _:
            return ""


async def _change(db: AsyncConnection, recorded: Recorded[Event], **values: Any) -> None:
    statement = update(sources).where(
        sources.c.tenant_id == recorded.tenant_id, sources.c.id == recorded.event.aggregate_id
    )
    await db.execute(statement.values(**values, updated_at=recorded.at))


def _first_row(recorded: Recorded[Event]) -> dict[str, Any]:
    event = recorded.event
    assert isinstance(event, SourceCreated)  # noqa: S101  grouped by this
    return {
        "tenant_id": recorded.tenant_id,
        "id": event.source_id,
        "position": recorded.sequence,
        "bot_profile_id": event.bot_profile_id,
        "parent_id": event.parent_id,
        "source_type": event.source_type,
        "status": "pending",
        "document_count": 0,
        "chunk_count": 0,
        "deleted": False,
        "created_at": recorded.at,
        "updated_at": recorded.at,
        **_settings(event.settings),
    }


def _settings(settings: SourceSettings) -> dict[str, Any]:
    return {
        "name": settings.name,
        "description": settings.description,
        "config": dict(settings.config),
        "has_token": settings.token_ref is not None,
        "is_active": settings.is_active,
        "refresh_schedule": settings.refresh_schedule,
        "authority": settings.authority,
    }
