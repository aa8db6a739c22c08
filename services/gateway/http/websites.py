"""/v1/sources of the type `website`: what would be imported, what was, and how far it is."""

from typing import Any

from fastapi import APIRouter, Request, Response, status
from pydantic import BaseModel, Field

from services.gateway.http import lists
from services.gateway.http.context import AdminDep, CallerDep, Id, JsonObject, Timestamp
from services.gateway.http.source_fields import get_source
from shared.contracts.ingest_website import (
    CancelCrawl,
    CrawlCounts,
    CrawledPage,
    CrawledPages,
    CrawlPhase,
    CrawlView,
    GetCrawl,
    ListCrawledPages,
    PageOutcome,
    PauseCrawl,
    Preview,
    PreviewWebsite,
    ResumeCrawl,
    Via,
)
from shared.kernel.errors import (
    Conflict,
    InvalidCommand,
    NotAuthenticated,
    NotFound,
    NotPermitted,
)
from shared.web.pagination import HEADERS, WindowDep
from shared.web.problem import responses

router = APIRouter(prefix="/v1/sources", tags=["sources"])


class PreviewIn(BaseModel):
    config: JsonObject = Field(default_factory=dict)
    """As that of a source of the type `website`."""


class PreviewPage(BaseModel):
    url: str
    depth: int
    via: Via
    included: bool
    reason: str | None
    """Why it is not included."""


class PreviewOut(BaseModel):
    pages: list[PreviewPage]
    included: int
    delay_seconds: float
    sitemaps: list[str]
    notes: list[str]


class CrawlOut(BaseModel):
    source_id: str
    phase: CrawlPhase | None
    """None: it was never imported as a website."""
    reason: str | None
    counts: CrawlCounts
    begun_at: Timestamp | None
    updated_at: Timestamp | None


class PageOut(BaseModel):
    url: str
    outcome: PageOutcome
    reason: str | None
    depth: int
    via: Via
    source_id: str | None
    visited_at: Timestamp | None


@router.post("/preview", responses=responses(NotAuthenticated, NotPermitted, InvalidCommand))
async def preview(body: PreviewIn, caller: AdminDep) -> PreviewOut:
    """Look what the import of a website would begin with. Nothing is stored.

    Reads robots.txt, some sitemaps and the links of the root, for a few seconds.
    """
    config: dict[str, Any] = body.config
    found = await caller.ask(PreviewWebsite(config=config), Preview)
    pages = [
        PreviewPage(
            url=page.url,
            depth=page.depth,
            via=page.via,
            included=page.skip is None,
            reason=page.skip,
        )
        for page in found.pages
    ]
    return PreviewOut(
        pages=pages,
        included=sum(page.included for page in pages),
        delay_seconds=found.delay_seconds,
        sitemaps=list(found.sitemaps),
        notes=list(found.notes),
    )


@router.get("/{source_id}/crawl", responses=responses(NotAuthenticated, NotFound))
async def crawl(source_id: Id, caller: CallerDep) -> CrawlOut:
    """How far the import of a website is, or what the last one came to."""
    await get_source(caller, source_id)
    found = await caller.ask(GetCrawl(source_id=source_id), CrawlView)
    return CrawlOut.model_validate(found.model_dump())


@router.get(
    "/{source_id}/pages",
    response_model=list[PageOut],
    responses={**responses(NotAuthenticated, NotFound, InvalidCommand), 200: {"headers": HEADERS}},
)
async def pages(source_id: Id, request: Request, caller: CallerDep, window: WindowDep) -> Response:
    """Every page that the last import found, what became of it and why."""
    await get_source(caller, source_id)
    question = ListCrawledPages(source_id=source_id)
    return await lists.answer(request, caller, question, CrawledPages, _page, window)


@router.post(
    "/{source_id}/pause",
    responses=responses(NotAuthenticated, NotPermitted, NotFound, Conflict),
)
async def pause(source_id: Id, caller: AdminDep) -> CrawlOut:
    """Let the import of a website rest. The page that is being fetched is still recorded."""
    await caller.order(PauseCrawl(source_id=source_id))
    return await crawl(source_id, caller)


@router.post(
    "/{source_id}/resume",
    responses=responses(NotAuthenticated, NotPermitted, NotFound, Conflict),
)
async def resume(source_id: Id, caller: AdminDep) -> CrawlOut:
    """Go on where the import was paused."""
    await caller.order(ResumeCrawl(source_id=source_id))
    return await crawl(source_id, caller)


@router.post(
    "/{source_id}/cancel",
    status_code=status.HTTP_200_OK,
    responses=responses(NotAuthenticated, NotPermitted, NotFound, Conflict),
)
async def cancel(source_id: Id, caller: AdminDep) -> CrawlOut:
    """End the import. Pages that were imported by then stay and answer."""
    await caller.order(CancelCrawl(source_id=source_id))
    return await crawl(source_id, caller)


def _page(page: CrawledPage) -> PageOut:
    return PageOut.model_validate(page.model_dump())
