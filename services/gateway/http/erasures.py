"""Erasure: what people, or the law, want to be gone for good."""

from collections.abc import Mapping
from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response, status
from pydantic import BaseModel, Field

from services.gateway.http import lists
from services.gateway.http.context import AdminDep, Caller, Id, OwnerDep, Timestamp
from shared.contracts.chat_history import (
    ChatCount,
    ChatView,
    CountChatsOfVisitor,
    GetChat,
)
from shared.contracts.gateway_erasure import (
    PARTICIPANTS,
    ErasureKind,
    ErasureView,
    ErasureViews,
    GetErasure,
    ListErasures,
    RequestErasure,
)
from shared.kernel.errors import (
    Conflict,
    InvalidCommand,
    NotAuthenticated,
    NotFound,
    NotPermitted,
    Unavailable,
)
from shared.web.pagination import HEADERS, WindowDep
from shared.web.problem import responses

router = APIRouter(tags=["erasure"])

REFUSALS = responses(NotAuthenticated, NotPermitted, NotFound, Unavailable)


class TenantErasureIn(BaseModel):
    confirm: Annotated[str, Field(max_length=100)]
    """The slug of the tenant, so that no other one is erased by mistake."""


class ErasureOut(BaseModel):
    id: str
    kind: ErasureKind
    subject_id: str
    before: Timestamp | None
    """Of what was too old: what last changed before that."""
    status: Literal["requested", "told", "completed"]
    """`told`: nothing can be read from the log any more, and services clear what they keep."""
    done: list[str]
    """Services that have cleared what they keep."""
    waiting: list[str]
    """Services that have not."""
    counts: Mapping[str, int]
    """What was erased, by its kind."""
    requested_at: Timestamp
    completed_at: Timestamp | None


@router.post("/v1/chat/{chat_id}/erase", status_code=status.HTTP_202_ACCEPTED, responses=REFUSALS)
async def erase_chat(chat_id: Id, caller: OwnerDep, response: Response) -> ErasureOut:
    """Erase one chat for good: what was said in it, wherever it lies."""
    await caller.ask(GetChat(chat_id=chat_id, scope=caller.chat_scope), ChatView)
    return await _erase(caller, response, "chat", chat_id)


@router.post(
    "/v1/visitors/{visitor_id}/erase", status_code=status.HTTP_202_ACCEPTED, responses=REFUSALS
)
async def erase_visitor(visitor_id: Id, caller: OwnerDep, response: Response) -> ErasureOut:
    """Erase a visitor for good: all chats of this `visitor_id`."""
    found = await caller.ask(CountChatsOfVisitor(visitor_id=visitor_id), ChatCount)
    if not found.chats:
        raise NotFound("Visitor not found")
    return await _erase(caller, response, "visitor", visitor_id)


@router.post(
    "/v1/users/{user_id}/erase",
    status_code=status.HTTP_202_ACCEPTED,
    responses={**REFUSALS, **responses(Conflict)},
)
async def erase_user(user_id: Id, caller: OwnerDep, response: Response) -> ErasureOut:
    """Erase a user for good: name, e-mail, password, sessions, tokens, and from where it came.
    What the user did stays in the audit log, under an id that names nobody.
    """
    if user_id == caller.principal.user_id:
        raise Conflict("You cannot erase yourself; another owner can")
    return await _erase(caller, response, "user", user_id)


@router.post(
    "/v1/tenants/me/erase",
    status_code=status.HTTP_202_ACCEPTED,
    responses={**REFUSALS, **responses(Conflict)},
)
async def erase_tenant(body: TenantErasureIn, caller: OwnerDep, response: Response) -> ErasureOut:
    """Erase the tenant for good, with everything that is in it: nobody can undo this, and every
    token and session ends at once. Only the operator can see how far it is from then on.
    """
    tenant = await caller.gateway.identity.tenant(caller.tenant_id)
    if body.confirm != tenant.slug:
        raise Conflict("Say the slug of the tenant to confirm that it is to be erased")
    return await _erase(caller, response, "tenant", tenant.id, tenant.id)


@router.get("/v1/erasures/{erasure_id}", responses=responses(NotAuthenticated, NotFound))
async def get(erasure_id: Id, caller: AdminDep) -> ErasureOut:
    """How far an erasure is; at its end a receipt."""
    return erasure_out(await caller.ask(GetErasure(erasure_id=erasure_id), ErasureView))


@router.get(
    "/v1/erasures",
    response_model=list[ErasureOut],
    responses={
        **responses(NotAuthenticated, NotPermitted, InvalidCommand),
        200: {"headers": HEADERS},
    },
)
async def list_erasures(request: Request, caller: AdminDep, window: WindowDep) -> Response:
    """All erasures, newest first."""
    return await lists.answer(
        request, caller, ListErasures(), ErasureViews, erasure_out, window, again=True
    )


async def _erase(
    caller: Caller,
    response: Response,
    kind: ErasureKind,
    subject_id: str,
    erasure_id: str | None = None,
) -> ErasureOut:
    erasure_id = erasure_id or caller.id_for("erasure")
    await caller.order(RequestErasure(erasure_id=erasure_id, kind=kind, subject_id=subject_id))
    response.headers["Location"] = f"/v1/erasures/{erasure_id}"
    return erasure_out(await caller.ask(GetErasure(erasure_id=erasure_id), ErasureView))


def erasure_out(erasure: ErasureView) -> ErasureOut:
    """As clients see it."""
    done = set(erasure.parts)
    return ErasureOut.model_validate(
        {
            **erasure.model_dump(exclude={"parts"}),
            "done": [one for one in PARTICIPANTS if one in done],
            "waiting": [one for one in PARTICIPANTS if one not in done],
        }
    )
