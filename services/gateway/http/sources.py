"""/v1/sources: one source at a time, and lists."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response, status
from pydantic import BaseModel

from services.gateway.http import lists
from services.gateway.http.admission import admit
from services.gateway.http.context import AdminDep, CallerDep, Id, Timestamp, given
from services.gateway.http.source_fields import (
    SourceIn,
    SourceOut,
    SourcePatch,
    get_source,
    kept_config,
    kept_content,
    present,
    settings_of,
)
from shared.contracts.ingest import (
    CreateSource,
    DeleteSource,
    GetTimeline,
    ListSources,
    RequestIngestion,
    SourceViews,
    Timeline,
    TimelineEntry,
    UpdateSource,
)
from shared.contracts.ingest_backlog import AskAdmission
from shared.kernel.errors import (
    BacklogFull,
    Conflict,
    InvalidCommand,
    NotAuthenticated,
    NotFound,
    NotPermitted,
)
from shared.web.pagination import HEADERS, WindowDep
from shared.web.problem import responses

router = APIRouter(prefix="/v1/sources", tags=["sources"])

SHOWN_SECONDS = 9.0
"""How long a deletion may take to reach the index before the caller is told to wait."""


class TimelineEntryOut(BaseModel):
    at: Timestamp
    event: str
    detail: str
    run_id: str | None
    attempt: int | None
    seconds: float | None
    done: int | None
    total: int | None
    reason: str | None


class Accepted(BaseModel):
    status: str = "accepted"
    message: str


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses=responses(NotAuthenticated, NotPermitted, NotFound, InvalidCommand, BacklogFull),
)
async def create(body: SourceIn, caller: AdminDep) -> SourceOut:
    """Add a source. It answers after `POST /v1/sources/{id}/ingest`."""
    await admit(caller, AskAdmission(bot_profile_id=body.bot_profile_id, parent_id=body.parent_id))
    source_id = caller.id_for("source")
    settings = await settings_of(
        caller,
        body,
        refresh_schedule=body.refresh_schedule,
        refresh_cron=body.refresh_cron,
        refresh_time_zone=body.refresh_time_zone,
        authority=body.authority,
        language=body.language,
    )
    done = await caller.order(
        CreateSource(
            source_id=source_id,
            bot_profile_id=body.bot_profile_id,
            parent_id=body.parent_id,
            source_type=body.source_type,
            settings=settings,
        )
    )
    if done.made is not None:
        return SourceOut.model_validate(done.made)
    return present(await get_source(caller, source_id))


@router.get(
    "",
    response_model=list[SourceOut],
    responses={**responses(NotAuthenticated, InvalidCommand), 200: {"headers": HEADERS}},
)
async def list_sources(
    request: Request,
    caller: CallerDep,
    window: WindowDep,
    bot_profile_id: Id | None = None,
    parent_id: Id | None = None,
    include_children: Annotated[
        bool, Query(description="All sources flat, instead of the top level.")
    ] = False,
) -> Response:
    """Active sources, newest first: top level, or the children of one, or all flat."""
    question = ListSources(
        bot_profile_id=bot_profile_id, parent_id=parent_id, flat=include_children
    )
    return await lists.answer(request, caller, question, SourceViews, SourceOut, window, again=True)


@router.get("/{source_id}", responses=responses(NotAuthenticated, NotFound))
async def get(source_id: Id, caller: CallerDep) -> SourceOut:
    """One source, also when it is inactive. A parent shows what its children come to."""
    return present(await get_source(caller, source_id))


@router.get(
    "/{source_id}/children",
    response_model=list[SourceOut],
    responses={**responses(NotAuthenticated, NotFound, InvalidCommand), 200: {"headers": HEADERS}},
)
async def children(
    source_id: Id, request: Request, caller: CallerDep, window: WindowDep
) -> Response:
    """The active children of a source, oldest first."""
    parent = await get_source(caller, source_id)
    question = ListSources(parent_id=parent.id, oldest_first=True)
    return await lists.answer(request, caller, question, SourceViews, SourceOut, window)


@router.get(
    "/{source_id}/timeline",
    response_model=list[TimelineEntryOut],
    responses={**responses(NotAuthenticated, NotFound, InvalidCommand), 200: {"headers": HEADERS}},
)
async def timeline(
    source_id: Id, request: Request, caller: CallerDep, window: WindowDep
) -> Response:
    """What happened to the source, oldest first: the facts its status follows from."""
    question = GetTimeline(source_id=source_id)
    return await lists.answer(request, caller, question, Timeline, _entry, window, again=True)


@router.patch(
    "/{source_id}", responses=responses(NotAuthenticated, NotPermitted, NotFound, InvalidCommand)
)
async def patch(source_id: Id, body: SourcePatch, caller: AdminDep) -> SourceOut:
    """Change the fields that are sent. Nothing is ingested again by this.

    A `config` replaces the one before as a whole: a token is lost unless it is sent again.
    """
    changes = given(body)
    if "content" in changes:
        changes["content_ref"] = await kept_content(caller, changes.pop("content"))
        changes["media_type"] = None
    if "config" in changes:
        changes |= await kept_config(caller, changes["config"])
    done = await caller.order(UpdateSource(source_id=source_id, changes=changes))
    if "is_active" in changes:
        await caller.until_shown("chat", "index", done, seconds=SHOWN_SECONDS)
    return present(await get_source(caller, source_id))


@router.delete(
    "/{source_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=responses(NotAuthenticated, NotPermitted, NotFound),
)
async def delete(source_id: Id, caller: AdminDep) -> None:
    """Delete a source and its children. When this is answered, none of them answers any more."""
    done = await caller.order(DeleteSource(source_id=source_id))
    await caller.until_shown("chat", "index", done, seconds=SHOWN_SECONDS)


@router.post(
    "/{source_id}/ingest",
    status_code=status.HTTP_202_ACCEPTED,
    responses=responses(NotAuthenticated, NotPermitted, NotFound, Conflict, BacklogFull),
)
async def ingest(source_id: Id, caller: AdminDep) -> Accepted:
    """Fetch, prepare and index the source. Its status and timeline tell how far it is."""
    await admit(caller, AskAdmission(source_id=source_id))
    await caller.order(RequestIngestion(source_id=source_id))
    return Accepted(message=f"Ingestion queued for source {source_id}")


def _entry(entry: TimelineEntry) -> TimelineEntryOut:
    return TimelineEntryOut.model_validate(entry.model_dump())
