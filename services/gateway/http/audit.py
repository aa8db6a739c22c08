"""/v1/audit-log: who did what, when, and from where."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, BaseModel

from services.gateway.http import lists
from services.gateway.http.context import Caller, CallerDep, Id, Text, Timestamp, timestamp
from shared.contracts.audit import AuditEntries, AuditEntry, ListAudit
from shared.kernel.errors import InvalidCommand, NotAuthenticated, NotPermitted
from shared.web import csv_stream
from shared.web.pagination import HEADERS, WindowDep
from shared.web.problem import responses

router = APIRouter(tags=["audit"])

COLUMNS = ("id", "at", "actor", "user_id", "action", "target", "address", "user_agent")
CSV = {"text/csv": {"schema": {"type": "string"}}}


class AuditEntryOut(BaseModel):
    id: str
    """Of the event in the log."""
    at: Timestamp
    actor: str
    """`user/<id>`, `session/<id>`, `token/<id>`, or `operator`."""
    user_id: str | None
    """Whose session or token it was."""
    action: str
    target: str
    address: str | None
    """Of the client; null if it is not known, or was erased with its user."""
    user_agent: str | None


@router.get(
    "/v1/audit-log",
    response_model=list[AuditEntryOut],
    responses={
        **responses(NotAuthenticated, NotPermitted, InvalidCommand),
        200: {"headers": HEADERS, "content": CSV},
    },
)
async def audit_log(
    request: Request,
    caller: CallerDep,
    window: WindowDep,
    actor: Annotated[
        Text | None, Query(max_length=100, description="Only by `user/<id>`, …")
    ] = None,
    user_id: Annotated[Id | None, Query(description="Only by this user.")] = None,
    action: Annotated[
        Text | None, Query(max_length=100, description="Only such: `source.deleted`, …")
    ] = None,
    target: Annotated[
        Text | None, Query(max_length=140, description="Only done to `source/<id>`, …")
    ] = None,
    since: Annotated[
        AwareDatetime | None, Query(alias="from", description="Only from then on.")
    ] = None,
    until: Annotated[
        AwareDatetime | None, Query(alias="to", description="Only before that.")
    ] = None,
    format: Annotated[  # noqa: A002  as the exports name it
        Text, Query(description="`csv` for a file with everything, or JSON for anything else.")
    ] = "json",
) -> Response:
    """What people and their tokens did, newest first; what programs did about it is left out."""
    question = ListAudit(
        actor=actor, user_id=user_id, action=action, target=target, since=since, until=until
    )
    if format == "csv":
        headers = {"Content-Disposition": "attachment; filename=audit_log.csv"}
        body = _rows(caller, question, await caller.ask(question, AuditEntries))
        return StreamingResponse(body, media_type=csv_stream.MEDIA_TYPE, headers=headers)
    return await lists.answer(request, caller, question, AuditEntries, _out, window, again=True)


def _out(entry: AuditEntry) -> AuditEntryOut:
    return AuditEntryOut.model_validate(entry.model_dump())


async def _rows(
    caller: Caller, question: ListAudit, first: AuditEntries
) -> AsyncGenerator[bytes, None]:
    yield csv_stream.rows([COLUMNS])
    async with aclosing(lists.pages(caller, question, AuditEntries, first)) as pages:
        async for page in pages:
            yield csv_stream.rows(
                [
                    timestamp(one.at) if column == "at" else getattr(one, column)
                    for column in COLUMNS
                ]
                for one in page.items
            )
