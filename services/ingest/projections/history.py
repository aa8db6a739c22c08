"""Facts about sources → revisions, and how long each stage took."""

from typing import Any

from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest.tables import revisions
from shared.contracts.base import Event, Recorded
from shared.contracts.ingest import IngestionStarted, Prepared, SourceCreated, SourcePrepared
from shared.contracts.ingest_stages import (
    SourceChunked,
    SourceEmbedded,
    SourceExtracted,
    SourceUndone,
)

NOTHING: dict[str, Any] = dict.fromkeys(("run_id", "attempt", "seconds", "done", "total"))


async def prepared(db: AsyncConnection, recorded: Recorded[Event], revision: Prepared) -> None:
    row = {
        "tenant_id": recorded.tenant_id,
        "source_id": recorded.event.aggregate_id,
        "revision": revision.revision,
        "prepared_at": recorded.at,
        "prepared": revision.model_dump(mode="json"),
    }
    await db.execute(insert(revisions).values(row))


async def ingested(db: AsyncConnection, recorded: Recorded[Event], revision: int) -> None:
    await db.execute(
        update(revisions)
        .where(
            revisions.c.tenant_id == recorded.tenant_id,
            revisions.c.source_id == recorded.event.aggregate_id,
            revisions.c.revision == revision,
        )
        .values(ingested_at=recorded.at)
    )


def measured(event: Event) -> dict[str, Any]:
    """Which run a fact belongs to, and its figures."""
    if isinstance(event, SourceCreated):
        return NOTHING
    figures: dict[str, Any] = {"run_id": getattr(event, "run_id", None)}
    match event:
        case IngestionStarted(attempt=attempt):
            figures["attempt"] = attempt
        case SourceExtracted(seconds=seconds) | SourceChunked(seconds=seconds):
            figures["seconds"] = seconds
        case SourceEmbedded(done=done, total=total):
            figures |= {"done": done, "total": total}
        case SourcePrepared(prepared=prepared):
            figures |= {"done": prepared.chunk_count, "total": prepared.chunk_count}
        case _:
            pass
    return NOTHING | figures


def told(event: SourceUndone) -> str:
    """One line for people about what was taken back."""
    back = "the deletion is taken back" if event.undeleted else "the last change is taken back"
    return back if event.restored is None else f"{back}; revision {event.restored} again"
