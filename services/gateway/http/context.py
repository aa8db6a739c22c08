"""Who calls, and what a route may do for them."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, TypeVar

import orjson
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import AfterValidator, PlainSerializer

from services.gateway.ports import FrameSource, Passwords, Principals
from services.gateway.queries import IdentityQueries
from shared.adapters.blobs import Blobs
from shared.adapters.vault import Vault
from shared.contracts.base import Command, Done, Message, Metadata, Question
from shared.contracts.gateway import Principal
from shared.contracts.operations import AwaitPosition, Position
from shared.kernel.clock import utc_now
from shared.kernel.errors import (
    InvalidCommand,
    NotAuthenticated,
    NotPermitted,
    Refused,
    Unavailable,
)
from shared.kernel.ids import TOKEN, derived_id, new_id
from shared.kernel.tokens import is_well_formed, token_hash
from shared.runtime.bus import Bus

R = TypeVar("R", bound=Message)

OWNERS = {
    "tenant": "gateway",
    "user": "gateway",
    "api_token": "gateway",
    "source": "ingest",
    "bot_profile": "chat",
    "chat": "chat",
}
"""Which service owns an aggregate."""

OBJECT_BYTES = 16_384
"""Of one object as JSON: lists of what holds it must fit into messages."""
NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
"""W3C Trace Context, level 1."""

bearer = HTTPBearer(auto_error=False, description="An API token, `nrag_live_…`")


def _no_nul(text: str) -> str:
    if "\x00" in text:
        raise ValueError("must not contain NUL characters")
    return text


def _storable(value: dict[str, Any]) -> dict[str, Any]:
    try:
        written = orjson.dumps(value)
    except TypeError as error:
        raise ValueError(f"cannot be stored: {error}") from error
    if NUL.search(written):
        raise ValueError("must not contain NUL characters")
    if len(written) > OBJECT_BYTES:
        raise ValueError(f"must not be larger than {OBJECT_BYTES} bytes")
    return value


def timestamp(at: datetime) -> str:
    """RFC 3339 in UTC, with `Z`."""
    return at.isoformat().replace("+00:00", "Z")


Text = Annotated[str, AfterValidator(_no_nul)]
"""Text from a client; NUL cannot be stored."""
JsonObject = Annotated[dict[str, Any], AfterValidator(_storable)]
"""Any JSON object from a client that the log and the read models can hold."""
Timestamp = Annotated[datetime, PlainSerializer(timestamp, return_type=str)]
"""RFC 3339 in UTC, with `Z`."""


@dataclass(frozen=True)
class Gateway:
    """What the routes stand on; one per process, in `app.state.gateway`."""

    bus: Bus
    identity: IdentityQueries
    principals: Principals
    passwords: Passwords
    frames: FrameSource
    vault: Vault
    blobs: Blobs
    signup_open: bool


class StillRunning(Exception):
    """The command is stored and its owner is away; the caller gets 202 and an operation."""

    def __init__(self, operation_id: str) -> None:
        super().__init__(operation_id)
        self.operation_id = operation_id


@dataclass(frozen=True)
class Caller:
    """An authenticated principal, inside one request. It can name no tenant but its own."""

    principal: Principal
    gateway: Gateway
    metadata: Metadata
    """Its `message_id` is the id of the request's one command."""

    @property
    def tenant_id(self) -> str:
        return self.principal.tenant_id

    def id_for(self, kind: str) -> str:
        """The id of what this request creates: a repeat with its `Idempotency-Key` names the
        same.
        """
        return derived_id(kind, self.metadata.tenant_id, self.metadata.message_id)

    async def order(self, command: Command) -> Done:
        """Have it done. Raises the refusal, `StillRunning`, or `Unavailable`."""
        done = await self.gateway.bus.order(command, self.metadata, OWNERS[command.aggregate])
        if done is None:
            raise StillRunning(self.metadata.message_id)
        return done

    async def ask(self, question: Question[R], answer: type[R]) -> R:
        return await self.gateway.bus.ask(question, answer, self.metadata)

    async def until_shown(
        self, service: str, read_model: str, done: Done, *, seconds: float = 2.0
    ) -> None:
        """Wait until another service's read model shows what was done. Raises `Unavailable`."""
        question = AwaitPosition(read_model=read_model, position=done.position, seconds=seconds)
        reached = await self.gateway.bus.ask(question, Position, self.metadata, service=service)
        if reached.position < done.position:
            raise Unavailable(f"{service} has not caught up yet; the change itself is stored")


def metadata_for(request: Request, tenant_id: str, actor: str) -> Metadata:
    """What goes with everything this request causes."""
    key = request.headers.get("idempotency-key")
    if key is None:
        command_id = new_id()
    elif 0 < len(key) <= 255 and key.isprintable():  # noqa: PLR2004  the draft's usual bound
        route = f"{request.method} {request.url.path}"
        command_id = derived_id("idempotency", tenant_id, actor, route, key)
    else:
        raise InvalidCommand("an Idempotency-Key has 1 to 255 printable characters")
    trace = request.headers.get("traceparent", "")
    return Metadata(
        tenant_id=tenant_id,
        message_id=command_id,
        correlation_id=request.state.request_id,
        actor=actor,
        now=utc_now(),
        traceparent=trace if TRACEPARENT.fullmatch(trace) else None,
    )


def gateway_of(request: Request) -> Gateway:
    found: Gateway = request.app.state.gateway
    return found


async def caller(
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
) -> Caller:
    """Raise `NotAuthenticated` unless an active token came."""
    gateway = gateway_of(request)
    if credentials is None or not credentials.credentials:
        raise NotAuthenticated("Not authenticated")
    principal = await authenticate(gateway, credentials.credentials)
    metadata = metadata_for(request, principal.tenant_id, f"token/{principal.token_id}")
    return Caller(principal, gateway, metadata)


async def authenticate(gateway: Gateway, token: str) -> Principal:
    """Raise `NotAuthenticated`, in the words of the contract."""
    if "." in token:
        raise NotAuthenticated("Invalid or expired JWT")
    if not is_well_formed(token):
        raise NotAuthenticated("Invalid or revoked API token")
    principal = await gateway.principals.find(token_hash(token))
    if principal is None:
        raise NotAuthenticated("Invalid or revoked API token")
    if principal.expires_at is not None and principal.expires_at <= utc_now():
        raise NotAuthenticated("API token has expired")
    if not principal.user_active:
        raise NotAuthenticated("Token owner account is disabled")
    return principal


GatewayDep = Annotated[Gateway, Depends(gateway_of)]
CallerDep = Annotated[Caller, Depends(caller)]


async def admin(caller: CallerDep) -> Caller:
    """Raise `NotPermitted` unless the caller may change the tenant's set-up."""
    if caller.principal.role not in ("owner", "admin"):
        raise NotPermitted("Only owners and admins can do this")
    return caller


async def owner(caller: CallerDep) -> Caller:
    """Raise `NotPermitted` unless the caller is an owner."""
    if caller.principal.role != "owner":
        raise NotPermitted("Only owners can do this")
    return caller


AdminDep = Annotated[Caller, Depends(admin)]
OwnerDep = Annotated[Caller, Depends(owner)]


def checked_id(value: str, error: Refused) -> str:
    """An id from a path. One that cannot exist is answered like one that does not."""
    if not TOKEN.fullmatch(value):
        raise error
    return value


def given(body: Any) -> dict[str, Any]:
    """The fields a client really sent, for a PATCH."""
    fields: dict[str, Any] = body.model_dump(exclude_unset=True, mode="json")
    return fields
