"""/v1/sources."""

from typing import Annotated, Any

from fastapi import APIRouter, status
from pydantic import BaseModel, Field

from services.gateway.http.context import (
    AdminDep,
    Caller,
    CallerDep,
    JsonObject,
    Text,
    Timestamp,
    checked_id,
    given,
)
from shared.contracts.ingest import (
    Authority,
    CreateSource,
    DeleteSource,
    GetSource,
    GetTimeline,
    ListSources,
    RefreshSchedule,
    RequestIngestion,
    SourceSettings,
    SourceStatus,
    SourceType,
    SourceView,
    SourceViews,
    Timeline,
    UpdateSource,
)
from shared.kernel.errors import (
    Conflict,
    InvalidCommand,
    NotAuthenticated,
    NotFound,
    NotPermitted,
)
from shared.web.problem import responses

router = APIRouter(prefix="/v1/sources", tags=["sources"])


class SourceIn(BaseModel):
    bot_profile_id: str
    name: Annotated[Text, Field(max_length=255)]
    description: Annotated[Text, Field(max_length=1000)] = ""
    source_type: SourceType
    config: JsonObject = Field(default_factory=dict)
    content: Text | None = None
    parent_id: str | None = None
    refresh_schedule: RefreshSchedule | None = None
    authority: Authority | None = None


class SourcePatch(BaseModel):
    name: Annotated[Text, Field(max_length=255)] = ""
    description: Annotated[Text, Field(max_length=1000)] = ""
    config: JsonObject = Field(default_factory=dict)
    content: Text | None = None
    is_active: bool = True
    refresh_schedule: RefreshSchedule | None = None
    authority: Authority | None = None


class SourceOut(BaseModel):
    id: str
    tenant_id: str
    bot_profile_id: str
    parent_id: str | None
    name: str
    description: str
    source_type: SourceType
    status: SourceStatus
    config: dict[str, Any]
    document_count: int
    chunk_count: int
    error_message: str | None
    is_active: bool
    refresh_schedule: RefreshSchedule | None
    authority: Authority | None
    language: str | None
    last_refreshed_at: Timestamp | None
    children_count: int
    created_at: Timestamp
    updated_at: Timestamp


class TimelineEntryOut(BaseModel):
    at: Timestamp
    event: str
    detail: str


class Accepted(BaseModel):
    status: str = "accepted"
    message: str


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses=responses(NotAuthenticated, NotPermitted, NotFound, InvalidCommand),
)
async def create(body: SourceIn, caller: AdminDep) -> SourceOut:
    """Add a source. It answers after `POST /v1/sources/{id}/ingest`."""
    source_id = caller.id_for("source")
    settings = SourceSettings(
        name=body.name,
        description=body.description,
        config=body.config,
        content_ref=await _keep(caller, body.content),
        refresh_schedule=body.refresh_schedule,
        authority=body.authority,
    )
    unknown_bot = InvalidCommand(
        "Bot profile not found or belongs to a different tenant", field="bot_profile_id"
    )
    parent = body.parent_id
    await caller.order(
        CreateSource(
            source_id=source_id,
            bot_profile_id=checked_id(body.bot_profile_id, unknown_bot),
            parent_id=None if parent is None else _checked(parent),
            source_type=body.source_type,
            settings=settings,
        )
    )
    return await _get(caller, source_id)


@router.get("", responses=responses(NotAuthenticated))
async def list_sources(
    caller: CallerDep,
    bot_profile_id: Text | None = None,
    parent_id: Text | None = None,
    *,
    include_children: bool = False,
) -> list[SourceOut]:
    """Active sources, newest first: top level, or the children of one, or all flat."""
    question = ListSources(
        bot_profile_id=bot_profile_id, parent_id=parent_id, flat=include_children
    )
    found = await caller.ask(question, SourceViews)
    return [_out(source) for source in found.items]


@router.get("/{source_id}", responses=responses(NotAuthenticated, NotFound))
async def get(source_id: str, caller: CallerDep) -> SourceOut:
    """One source, also when it is inactive."""
    return await _get(caller, _checked(source_id))


@router.get("/{source_id}/timeline", responses=responses(NotAuthenticated, NotFound))
async def timeline(source_id: str, caller: CallerDep) -> list[TimelineEntryOut]:
    """What happened to the source, oldest first: the facts its status follows from."""
    found = await caller.ask(GetTimeline(source_id=_checked(source_id)), Timeline)
    return [TimelineEntryOut.model_validate(entry.model_dump()) for entry in found.items]


@router.patch(
    "/{source_id}", responses=responses(NotAuthenticated, NotPermitted, NotFound, InvalidCommand)
)
async def patch(source_id: str, body: SourcePatch, caller: AdminDep) -> SourceOut:
    """Change the fields that are sent. Nothing is ingested again by this."""
    checked = _checked(source_id)
    changes = given(body)
    if "content" in changes:
        changes["content_ref"] = await _keep(caller, changes.pop("content"))
    done = await caller.order(UpdateSource(source_id=checked, changes=changes))
    if "is_active" in changes:
        await caller.until_shown("chat", "index", done)
    return await _get(caller, checked)


@router.delete(
    "/{source_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=responses(NotAuthenticated, NotPermitted, NotFound),
)
async def delete(source_id: str, caller: AdminDep) -> None:
    """Delete a source. When this is answered, no answer can come from it any more."""
    done = await caller.order(DeleteSource(source_id=_checked(source_id)))
    await caller.until_shown("chat", "index", done)


@router.post(
    "/{source_id}/ingest",
    status_code=status.HTTP_202_ACCEPTED,
    responses=responses(NotAuthenticated, NotPermitted, NotFound, Conflict),
)
async def ingest(source_id: str, caller: AdminDep) -> Accepted:
    """Fetch, prepare and index the source. Its status and timeline tell how far it is."""
    checked = _checked(source_id)
    await caller.order(RequestIngestion(source_id=checked))
    return Accepted(message=f"Ingestion queued for source {checked}")


async def _get(caller: Caller, source_id: str) -> SourceOut:
    return _out(await caller.ask(GetSource(source_id=source_id), SourceView))


async def _keep(caller: Caller, content: str | None) -> str | None:
    if content is None:
        return None
    return await caller.gateway.blobs.put(caller.tenant_id, content.encode())


def _checked(source_id: str) -> str:
    return checked_id(source_id, NotFound("Source not found"))


def _out(source: SourceView) -> SourceOut:
    return SourceOut.model_validate(source.model_dump())
