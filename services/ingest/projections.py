"""Facts about sources → rows."""

from typing import Any

from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest.tables import sources, timeline
from shared.contracts.base import Event, Recorded
from shared.contracts.ingest import (
    IngestionRequested,
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
        event = recorded.event
        if event.aggregate != "source":
            return
        await self._tell(db, recorded)
        match event:
            case SourceCreated():
                await db.execute(insert(sources).values(_first_row(event, recorded)))
            case SourceUpdated():
                await _change(db, recorded, **_settings(event.settings))
            case SourceDeleted():
                await _change(db, recorded, is_active=False, deleted=True)
            case IngestionStarted():
                await _change(db, recorded, status="processing", error_message=None)
            case SourcePrepared():
                await _change(db, recorded, language=event.prepared.language)
            case SourceIngested():
                await _change(
                    db,
                    recorded,
                    status="ready",
                    error_message=None,
                    document_count=event.document_count,
                    chunk_count=event.chunk_count,
                    last_refreshed_at=recorded.at,
                )
            case SourceUnchanged():
                await _change(
                    db, recorded, status="ready", error_message=None, last_refreshed_at=recorded.at
                )
            case SourceFailed():
                await _change(db, recorded, status="error", error_message=event.reason)
            case _:
                pass

    async def _tell(self, db: AsyncConnection, recorded: Recorded[Event]) -> None:
        row = {
            "tenant_id": recorded.tenant_id,
            "source_id": recorded.event.aggregate_id,
            "sequence": recorded.sequence,
            "at": recorded.at,
            "event": f"source.{recorded.event.name}",
            "detail": detail(recorded.event),
        }
        await db.execute(insert(timeline).values(row))


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
        case SourceIngested(revision=revision, chunk_count=chunk_count):
            return f"revision {revision} answers with {chunk_count} chunks"
        case IngestionStarted(attempt=attempt):
            return f"attempt {attempt}"
        case SourceFailed(reason=reason):
            return reason
        case SourceUnchanged():
            return "nothing changed"
        case IngestionRequested() | SourceCreated() | SourceUpdated() | SourceDeleted():
            return ""
        case _:
            return ""


async def _change(db: AsyncConnection, recorded: Recorded[Event], **values: Any) -> None:
    statement = update(sources).where(
        sources.c.tenant_id == recorded.tenant_id, sources.c.id == recorded.event.aggregate_id
    )
    await db.execute(statement.values(**values, updated_at=recorded.at))


def _first_row(event: SourceCreated, recorded: Recorded[Event]) -> dict[str, Any]:
    return {
        "tenant_id": recorded.tenant_id,
        "id": event.source_id,
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
        "is_active": settings.is_active,
        "refresh_schedule": settings.refresh_schedule,
        "authority": settings.authority,
    }
