"""Facts about sources → rows."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Text, case, literal, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest.projections import bots, history, pages, shadow_indexes
from services.ingest.tables import sources, timeline
from shared.adapters.bulk import insert_together
from shared.contracts.base import Event, Recorded
from shared.contracts.chat import BotProfileCreated, BotProfileUpdated
from shared.contracts.ingest import (
    ChildrenIngestionRequested,
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
from shared.contracts.ingest_stages import (
    SourceChunked,
    SourceEmbedded,
    SourceExtracted,
    SourceUndone,
    SourceWaiting,
)
from shared.contracts.scheduler import ScheduleCancelled, ScheduleFired, ScheduleSet

DONE_TOGETHER = {SourceCreated, BotProfileCreated, BotProfileUpdated}
"""Facts that mean nothing but what one statement brings in for all of them."""


class Sources:
    """The list of sources, each one's timeline, and when the scheduler will refresh it."""

    async def apply(self, db: AsyncConnection, recorded: Recorded[Event]) -> None:
        await self.apply_all(db, [recorded])

    async def apply_all(self, db: AsyncConnection, records: Sequence[Recorded[Event]]) -> None:
        """One statement for all timelines and new sources, one for what bots are set to; then the
        rest, one by one. An id is never given again, so nothing new is older than a change to it;
        and what a bot is set to are columns of their own.
        """
        mine = [recorded for recorded in records if recorded.event.aggregate == "source"]
        new = [recorded for recorded in mine if isinstance(recorded.event, SourceCreated)]
        told = [_entry(recorded) for recorded in mine]
        made = [first_row(recorded) for recorded in new]
        await insert_together(db, ((timeline, told), (sources, made)))
        await bots.apply_settings(db, records)
        for recorded in records:
            if type(recorded.event) not in DONE_TOGETHER:
                await _apply(db, recorded)


async def _apply(db: AsyncConnection, recorded: Recorded[Event]) -> None:
    match recorded.event:
        case SourceUpdated(settings=settings):
            await _change(db, recorded, **_settings(settings), **_language(settings))
        case SourceDeleted(with_parent=with_parent):
            await _change(
                db,
                recorded,
                is_active=False,
                deleted=True,
                deleted_with_parent=with_parent,
                revision=0,
                underway=False,
            )
        case SourceUndone() as undone:
            await _change(db, recorded, **_undone(undone))
        case IngestionRequested():
            await _queue(db, recorded)
        case IngestionStarted():
            await _change(db, recorded, status="processing", error_message=None)
        case SourcePrepared(prepared=prepared):
            await history.prepared(db, recorded, prepared)
            await _change(db, recorded, language=_unless_set(prepared.language))
        case SourceIngested(revision=revision, document_count=documents, chunk_count=chunks):
            await history.ingested(db, recorded, revision)
            await _change(
                db,
                recorded,
                status="ready",
                error_message=None,
                document_count=documents,
                chunk_count=chunks,
                revision=revision,
                underway=False,
                last_refreshed_at=recorded.at,
            )
        case SourceUnchanged():
            await _change(
                db,
                recorded,
                status="ready",
                error_message=None,
                underway=False,
                last_refreshed_at=recorded.at,
            )
        case SourceFailed(reason=reason):
            await _change(db, recorded, status="error", error_message=reason, underway=False)
        case ScheduleSet(next_at=next_at) | ScheduleFired(next_at=next_at):
            await _plan(db, recorded, next_at)
        case ScheduleCancelled():
            await _plan(db, recorded, None)
        case _:
            await pages.apply(db, recorded)
            await bots.apply(db, recorded)
            await shadow_indexes.apply(db, recorded)


def _undone(event: SourceUndone) -> dict[str, Any]:
    """A source without a revision is as it was before it was deleted, but for its failures."""
    back = {"is_active": event.is_active, "deleted": False, "deleted_with_parent": False}
    if event.restored is None:
        return back
    return {**back, "status": "processing", "error_message": None, "underway": True}


def _language(settings: SourceSettings) -> dict[str, Any]:
    """What is set is shown at once; what was detected is not forgotten before it is again."""
    if settings.language is None:
        return {"language_set": False}
    return {"language": settings.language, "language_set": True}


def _unless_set(language: str | None) -> ColumnElement[str | None]:
    return case((sources.c.language_set, sources.c.language), else_=literal(language, Text))


def _entry(recorded: Recorded[Event]) -> dict[str, Any]:
    return {
        "tenant_id": recorded.tenant_id,
        "source_id": recorded.event.aggregate_id,
        "sequence": recorded.sequence,
        "at": recorded.at,
        "event": f"source.{recorded.event.name}",
        "detail": detail(recorded.event),
        **history.measured(recorded.event),
    }


def detail(event: Event) -> str:
    """One line for people about what happened."""
    match event:
        case SourceCreated():
            return ""
        case SourceFetched(size=size, media_type=media_type):
            return f"{size} bytes of {media_type}"
        case SourceExtracted(characters=characters, pages=pages):
            return f"{characters} characters" + (f" on {pages} pages" if pages else "")
        case SourceChunked(plan=plan):
            return f"{plan.chunk_count} chunks"
        case SourceEmbedded(done=done, total=total):
            return f"{done} of {total} chunks"
        case SourceUndone() as undone:
            return history.told(undone)
        case SourceWaiting(until=until, reason=reason):
            return f"waiting for the provider until {until:%Y-%m-%d %H:%M:%S} UTC: {reason}"
        case SourcePrepared(prepared=prepared):
            return (
                f"revision {prepared.revision}: {prepared.chunk_count} chunks, "
                f"{prepared.embedded_count} embedded"
            )
        case SourceIngested(revision=0, document_count=documents, chunk_count=0):
            return f"{documents} pages or documents"
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


async def _queue(db: AsyncConnection, recorded: Recorded[Event]) -> None:
    """What is shown of the source does not change by this."""
    await db.execute(
        update(sources)
        .where(
            sources.c.tenant_id == recorded.tenant_id, sources.c.id == recorded.event.aggregate_id
        )
        .values(underway=True)
    )


async def _plan(db: AsyncConnection, recorded: Recorded[Event], next_at: datetime | None) -> None:
    """The schedule of a source has its id. The source itself does not change by this."""
    await db.execute(
        update(sources)
        .where(
            sources.c.tenant_id == recorded.tenant_id, sources.c.id == recorded.event.aggregate_id
        )
        .values(next_refresh_at=next_at)
    )


def first_row(recorded: Recorded[Event]) -> dict[str, Any]:
    """Of a source that was just created."""
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
        "deleted_with_parent": False,
        "revision": 0,
        "underway": False,
        "language": event.settings.language,
        "language_set": event.settings.language is not None,
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
        "refresh_cron": settings.refresh_cron,
        "refresh_time_zone": settings.refresh_time_zone,
        "authority": settings.authority,
    }
