"""/v1/sources/{id}: what a source was and is, and how to take a change back."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel

from services.gateway.http import lists
from services.gateway.http.context import AdminDep, CallerDep, Id, Timestamp
from services.gateway.http.source_fields import SourceOut, get_source, present
from shared.contracts.ingest_history import (
    Chunks,
    ChunkView,
    Difference,
    Documents,
    DocumentView,
    GetChunks,
    GetDifference,
    GetDocuments,
    GetRevisions,
    Revisions,
    RevisionView,
)
from shared.contracts.ingest_stages import UndoSource
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

SHOWN_SECONDS = 9.0
"""How long a revision may take to come back before the caller is told to wait."""
LARGEST = 2**31 - 1

Revision = Annotated[int, Path(ge=1, le=LARGEST)]
LIST = {**responses(NotAuthenticated, NotFound, InvalidCommand), 200: {"headers": HEADERS}}


class RevisionOut(BaseModel):
    revision: int
    prepared_at: Timestamp
    ingested_at: Timestamp | None
    answers: bool
    restored_from: int | None
    title: str | None
    url: str | None
    language: str | None
    characters: int
    chunk_count: int
    embedded_count: int
    embedding_model: str


class DocumentOut(BaseModel):
    id: str
    source_id: str
    revision: int
    title: str | None
    url: str | None
    media_type: str | None
    size: int | None
    pages: int
    language: str | None
    characters: int
    chunk_count: int
    ingested_at: Timestamp


class ChunkOut(BaseModel):
    id: str
    ordinal: int
    text: str
    start: int
    end: int
    heading: str | None
    page: int | None
    language: str | None


@router.get("/{source_id}/revisions", response_model=list[RevisionOut], responses=LIST)
async def revisions(
    source_id: Id, request: Request, caller: CallerDep, window: WindowDep
) -> Response:
    """Every revision that was prepared, newest first, and which of them answers."""
    question = GetRevisions(source_id=source_id)
    return await lists.answer(request, caller, question, Revisions, _revision, window, again=True)


@router.get(
    "/{source_id}/revisions/{revision}/diff",
    responses=responses(NotAuthenticated, NotFound, InvalidCommand, Conflict),
)
async def diff(
    source_id: Id,
    revision: Revision,
    caller: CallerDep,
    against: Annotated[
        int | None,
        Query(ge=1, le=LARGEST, description="The earlier revision; without it the one before."),
    ] = None,
) -> Difference:
    """What changed in the text up to a revision, as lines of a unified diff."""
    question = GetDifference(
        source_id=source_id, before=against or max(1, revision - 1), after=revision
    )
    return await caller.ask(question, Difference)


@router.get("/{source_id}/documents", response_model=list[DocumentOut], responses=LIST)
async def documents(
    source_id: Id, request: Request, caller: CallerDep, window: WindowDep
) -> Response:
    """The documents that answer, of the source and of its children, oldest first."""
    question = GetDocuments(source_id=source_id)
    return await lists.answer(request, caller, question, Documents, _document, window, again=True)


@router.get("/{source_id}/chunks", response_model=list[ChunkOut], responses=LIST)
async def chunks(
    source_id: Id,
    request: Request,
    caller: CallerDep,
    window: WindowDep,
    revision: Annotated[
        int | None,
        Query(ge=1, le=LARGEST, description="Without it the revision that answers."),
    ] = None,
) -> Response:
    """The chunks of a source in the order of its text."""
    question = GetChunks(source_id=source_id, revision=revision)
    return await lists.answer(request, caller, question, Chunks, _chunk, window, again=True)


@router.post(
    "/{source_id}/undo",
    responses=responses(NotAuthenticated, NotPermitted, NotFound, Conflict),
)
async def undo(source_id: Id, caller: AdminDep) -> SourceOut:
    """Take back the deletion of a source, or else its last change to another revision.

    The revision before answers again; nothing is fetched or embedded. Undoing twice is redoing.
    """
    done = await caller.order(UndoSource(source_id=source_id))
    await caller.until_shown("chat", "index", done, seconds=SHOWN_SECONDS)
    return present(await get_source(caller, source_id))


def _revision(view: RevisionView) -> RevisionOut:
    return RevisionOut.model_validate(view.model_dump())


def _document(view: DocumentView) -> DocumentOut:
    return DocumentOut.model_validate(view.model_dump())


def _chunk(view: ChunkView) -> ChunkOut:
    return ChunkOut.model_validate(view.model_dump())
