"""/v1/api-tokens."""

from typing import Annotated

from fastapi import APIRouter, status
from pydantic import BaseModel, Field

from services.gateway.http.context import AdminDep, CallerDep, Text, Timestamp, checked_id
from shared.contracts.gateway import ApiTokenView, IssueApiToken, RevokeApiToken
from shared.kernel.errors import NotAuthenticated, NotFound, NotPermitted
from shared.kernel.tokens import SHOWN, new_token, token_hash
from shared.web.problem import responses

router = APIRouter(prefix="/v1/api-tokens", tags=["api tokens"])


class ApiTokenIn(BaseModel):
    name: Annotated[Text, Field(max_length=255)]


class ApiTokenOut(BaseModel):
    id: str
    tenant_id: str
    name: str
    token_prefix: str
    is_active: bool
    expires_at: Timestamp | None
    last_used_at: Timestamp | None
    created_at: Timestamp


class NewApiTokenOut(ApiTokenOut):
    raw_token: str
    """Shown once."""


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses=responses(NotAuthenticated, NotPermitted),
)
async def issue(body: ApiTokenIn, caller: AdminDep) -> NewApiTokenOut:
    """Make a token. It is shown this once: only its hash is kept."""
    token = new_token()
    token_id = caller.id_for("token")
    await caller.order(
        IssueApiToken(
            token_id=token_id,
            token_name=body.name,
            token_hash=token_hash(token),
            token_prefix=token[:SHOWN],
            user_id=caller.principal.user_id,
        )
    )
    made = await caller.gateway.identity.api_token(caller.tenant_id, token_id)
    return NewApiTokenOut(**_out(made).model_dump(), raw_token=token)


@router.get("", responses=responses(NotAuthenticated))
async def list_tokens(caller: CallerDep) -> list[ApiTokenOut]:
    """All tokens, newest first, revoked ones included."""
    found = await caller.gateway.identity.api_tokens(caller.tenant_id)
    return [_out(token) for token in found]


@router.delete(
    "/{token_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=responses(NotAuthenticated, NotPermitted, NotFound),
)
async def revoke(token_id: str, caller: AdminDep) -> None:
    """Revoke a token. Repeating it changes nothing."""
    await caller.order(RevokeApiToken(token_id=checked_id(token_id, NotFound("Token not found"))))


def _out(token: ApiTokenView) -> ApiTokenOut:
    return ApiTokenOut.model_validate(token.model_dump())
