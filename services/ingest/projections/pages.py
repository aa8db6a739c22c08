"""Facts about crawls → rows of pages."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest.tables import crawls, pages
from shared.contracts.base import Event, Recorded
from shared.contracts.ingest_website import (
    CrawlBegun,
    CrawlCancelled,
    CrawlCounts,
    CrawlFinished,
    CrawlPagesFound,
    CrawlPagesRetired,
    CrawlPageVisited,
    CrawlPaused,
    CrawlResumed,
)


async def apply(db: AsyncConnection, recorded: Recorded[Event]) -> None:
    """Write what this one fact about a crawl means."""
    match recorded.event:
        case CrawlBegun(run_id=run_id):
            await _begin(db, recorded, run_id)
        case CrawlPagesFound() as found:
            await _find(db, recorded, found)
            await _change(db, recorded, counts=found.counts.model_dump())
        case CrawlPageVisited() as visited:
            await _visit(db, recorded, visited)
            await _change(db, recorded, counts=visited.counts.model_dump())
        case CrawlPaused():
            await _change(db, recorded, phase="paused")
        case CrawlResumed():
            await _change(db, recorded, phase="running")
        case CrawlCancelled(counts=counts):
            await _change(db, recorded, phase="cancelled", counts=counts.model_dump())
        case CrawlPagesRetired(urls=urls, counts=counts):
            await _retire(db, recorded, urls)
            await _change(db, recorded, counts=counts.model_dump())
        case CrawlFinished(failure=failure, counts=counts):
            phase = "finished" if failure is None else "failed"
            await _change(db, recorded, phase=phase, reason=failure, counts=counts.model_dump())
        case _:
            pass


async def _begin(db: AsyncConnection, recorded: Recorded[Event], run_id: str) -> None:
    row = {
        "tenant_id": recorded.tenant_id,
        "source_id": recorded.event.aggregate_id,
        "run_id": run_id,
        "phase": "running",
        "reason": None,
        "counts": CrawlCounts().model_dump(),
        "begun_at": recorded.at,
        "updated_at": recorded.at,
    }
    statement = insert(crawls).values(row)
    await db.execute(
        statement.on_conflict_do_update(index_elements=["tenant_id", "source_id"], set_=row)
    )


async def _change(db: AsyncConnection, recorded: Recorded[Event], **values: Any) -> None:
    await db.execute(
        update(crawls)
        .where(
            crawls.c.tenant_id == recorded.tenant_id,
            crawls.c.source_id == recorded.event.aggregate_id,
        )
        .values(**values, updated_at=recorded.at)
    )


async def _find(db: AsyncConnection, recorded: Recorded[Event], event: CrawlPagesFound) -> None:
    rows = [
        {
            "tenant_id": recorded.tenant_id,
            "source_id": event.source_id,
            "url": page.url,
            "run_id": event.run_id,
            "position": recorded.sequence,
            "place": place,
            "depth": page.depth,
            "via": page.via,
            "outcome": "pending" if page.skip is None else "skipped",
            "reason": page.skip,
        }
        for place, page in enumerate(event.pages)
    ]
    if not rows:
        return
    statement = insert(pages)
    new = statement.excluded
    names = ("run_id", "position", "place", "depth", "via", "outcome", "reason")
    await db.execute(
        statement.on_conflict_do_update(
            index_elements=["tenant_id", "source_id", "url"],
            set_={name: new[name] for name in names} | {"content_hash": None},
            where=pages.c.run_id != new.run_id,  # within a run a page is found once
        ),
        rows,
    )


async def _visit(db: AsyncConnection, recorded: Recorded[Event], event: CrawlPageVisited) -> None:
    await db.execute(
        update(pages)
        .where(
            pages.c.tenant_id == recorded.tenant_id,
            pages.c.source_id == event.source_id,
            pages.c.url == event.url,
        )
        .values(
            outcome=event.outcome,
            reason=event.reason,
            child_id=func.coalesce(event.child_id, pages.c.child_id),
            content_hash=event.content_hash,
            visited_at=recorded.at,
        )
    )


async def _retire(db: AsyncConnection, recorded: Recorded[Event], urls: Sequence[str]) -> None:
    await db.execute(
        update(pages)
        .where(
            pages.c.tenant_id == recorded.tenant_id,
            pages.c.source_id == recorded.event.aggregate_id,
            pages.c.url.in_(urls),
        )
        .values(outcome="retired")
    )
