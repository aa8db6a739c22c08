"""/v1/sources: parents with their children."""

import asyncio
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, status
from pydantic import BaseModel

from services.gateway.http import lists
from services.gateway.http.admission import admit
from services.gateway.http.context import AdminDep, Caller, Id
from services.gateway.http.source_fields import (
    BatchIn,
    ChildIn,
    SourceOut,
    get_source,
    kept_config,
    kept_content,
    present,
)
from shared.contracts.ingest import (
    BatchChild,
    ChildrenCount,
    CountChildren,
    CreateSourceBatch,
    ListSources,
    RequestChildrenIngestion,
    SourceSettings,
    SourceViews,
)
from shared.contracts.ingest_backlog import AskAdmission
from shared.kernel.errors import (
    BacklogFull,
    InvalidCommand,
    NotAuthenticated,
    NotFound,
    NotPermitted,
    TooLarge,
)
from shared.kernel.ids import derived_id
from shared.web.problem import responses

router = APIRouter(prefix="/v1/sources", tags=["sources"])


AT_ONCE = 16
"""Contents that are stored at a time."""


class BatchOut(BaseModel):
    parent: SourceOut
    children: list[SourceOut]
    """In the order in which they were sent."""


class ChildrenAccepted(BaseModel):
    status: str = "accepted"
    message: str
    enqueued: int


@router.post(
    "/batch",
    status_code=status.HTTP_201_CREATED,
    responses=responses(NotAuthenticated, NotPermitted, InvalidCommand, TooLarge, BacklogFull),
)
async def create_batch(body: BatchIn, caller: AdminDep) -> BatchOut:
    """Add a parent and its children: all of them, or none."""
    await admit(caller, AskAdmission(bot_profile_id=body.bot_profile_id))
    parent_id = caller.id_for("source")
    await caller.order(
        CreateSourceBatch(
            source_id=parent_id,
            bot_profile_id=body.bot_profile_id,
            source_type=body.source_type,
            settings=SourceSettings(name=body.name, description=body.description),
            children=tuple(await _children(caller, parent_id, body.children)),
        )
    )
    parent = await get_source(caller, parent_id)
    question = ListSources(parent_id=parent_id, oldest_first=True)
    children = [
        present(child)
        async for page in lists.pages(caller, question, SourceViews)
        for child in page.items
    ]
    return BatchOut(parent=present(parent), children=children)


@router.post(
    "/{source_id}/ingest-children",
    status_code=status.HTTP_202_ACCEPTED,
    responses=responses(NotAuthenticated, NotPermitted, NotFound, BacklogFull),
)
async def ingest_children(source_id: Id, caller: AdminDep) -> ChildrenAccepted:
    """Fetch, prepare and index every active child that is not being processed."""
    count = await caller.ask(CountChildren(source_id=source_id), ChildrenCount)
    await admit(caller, AskAdmission(source_id=source_id))
    await caller.order(RequestChildrenIngestion(source_id=source_id))
    return ChildrenAccepted(
        message=f"Ingestion queued for {count.idle} child sources", enqueued=count.idle
    )


async def _children(
    caller: Caller, parent_id: str, children: Sequence[ChildIn]
) -> list[BatchChild]:
    made: list[BatchChild] = []
    for first in range(0, len(children), AT_ONCE):
        part = enumerate(children[first : first + AT_ONCE], first)
        made += await asyncio.gather(*(_child(caller, parent_id, n, child) for n, child in part))
    return made


async def _child(caller: Caller, parent_id: str, n: int, child: ChildIn) -> BatchChild:
    kept: dict[str, Any] = await kept_config(caller, child.config, f"children.{n}.config")
    return BatchChild(
        source_id=derived_id("child", parent_id, str(n)),
        source_type=child.source_type,
        settings=SourceSettings(
            name=child.name,
            description=child.description,
            content_ref=await kept_content(caller, child.content),
            **kept,
        ),
    )
