"""Who calls, and what a route may do for them."""

import asyncio
import os
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Self, TypeVar
from uuid import UUID

import orjson
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import AfterValidator, GetCoreSchemaHandler, PlainSerializer, StringConstraints
from typing_extensions import override

from services.gateway.http.idempotency import command_id_of
from services.gateway.http.permissions import check
from services.gateway.http.presented import Presented
from services.gateway.http.standing import Gone, Recheck, Standings, goes_on
from services.gateway.http.throttle import LoginThrottle
from services.gateway.http.visitors import VisitorQuotas
from services.gateway.ports import DeadLetters, FrameSource, Passwords, Principal, SignedTokens
from services.gateway.queries import IdentityQueries
from services.gateway.reactions import TokenUses
from shared.adapters.blobs import Blobs
from shared.adapters.event_log import EventLog
from shared.adapters.log_tail import LogTail
from shared.adapters.origins import Origin, seal_origin
from shared.adapters.vault import Vault
from shared.contracts.base import Command, Done, Message, Metadata, Question
from shared.contracts.chat import ChatScope
from shared.contracts.operations import AwaitPosition, Position, ServiceHealth
from shared.kernel.clock import utc_now
from shared.kernel.errors import NotAuthenticated, NotPermitted, Unavailable
from shared.kernel.ids import derived_id
from shared.kernel.tokens import PREFIX, token_from
from shared.runtime.bus import Asked, Bus
from shared.web.metering import TRACEPARENT

R = TypeVar("R", bound=Message)

OWNERS = {
    "tenant": "gateway",
    "directory": "gateway",
    "session": "gateway",
    "api_token": "gateway",
    "widget_key": "gateway",
    "erasure": "gateway",
    "retention": "gateway",
    "dead_letter": "gateway",
    "source": "ingest",
    "crawl": "ingest",
    "bot_profile": "chat",
    "bot_index": "chat",
    "test_suite": "chat",
    "test_run": "chat",
    "chat": "chat",
    "webhook_endpoint": "webhooks",
    "delivery": "webhooks",
    "budget": "analytics",
}
"""Which service owns an aggregate."""

OBJECT_BYTES = 16_384
"""Of one object as JSON: lists of what holds it must fit into messages."""
READING = ("GET", "HEAD", "OPTIONS")
NO_NUL = r"^[^\x00]*$"
NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")

bearer = HTTPBearer(
    auto_error=False,
    description="An API token, `nrag_live_…`, or the `access_token` of a login",
)


class _Uuid:
    """Reads a UUID in any of its forms, refuses other texts as the original does, gives the text
    that ids have everywhere.
    """

    def __get_pydantic_core_schema__(self, _source: Any, handler: GetCoreSchemaHandler) -> Any:
        return handler.generate_schema(Annotated[UUID, AfterValidator(str), PlainSerializer(str)])


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


Text = Annotated[str, StringConstraints(pattern=NO_NUL)]
"""Text from a client; NUL cannot be stored. A constraint, and no function, so that a length beside
it is one of the text and its refusal says so.
"""
Id = Annotated[str, _Uuid()]
"""An id from a client."""
JsonObject = Annotated[dict[str, Any], AfterValidator(_storable)]
"""Any JSON object from a client that the log and the read models can hold."""
Timestamp = Annotated[datetime, PlainSerializer(timestamp, return_type=str)]
"""RFC 3339 in UTC, with `Z`."""


@dataclass(frozen=True)
class Gateway:
    """What the routes stand on; one per process, in `app.state.gateway`."""

    bus: Bus
    identity: IdentityQueries
    passwords: Passwords
    signed: SignedTokens
    throttle: LoginThrottle
    quotas: VisitorQuotas
    token_uses: TokenUses
    frames: FrameSource
    vault: Vault
    blobs: Blobs
    signup_open: bool
    session_days: int
    health: Callable[[], Awaitable[ServiceHealth]]
    """How this very gateway does."""
    event_log: EventLog
    feed: LogTail
    """Public events of all tenants."""
    standings: Standings
    leaving: asyncio.Event
    """Set once this gateway was told to stop; others take its place."""
    letters: DeadLetters
    presented: Presented = field(default_factory=Presented)


class StillRunning(Exception):
    """The command is stored and its owner is away; the caller gets 202 and an operation."""

    def __init__(self, operation_id: str) -> None:
        super().__init__(operation_id)
        self.operation_id = operation_id


@dataclass(frozen=True)
class Asking:
    """One request, before it is known who asks."""

    gateway: Gateway
    metadata: Metadata
    """Its `message_id` is the id of the request's one command."""
    seed: bytes
    """Random, and the same when the request comes again with its `Idempotency-Key`."""
    address: str
    """Of the client; the network, for an IPv6 one."""
    agent: str
    """What the client calls itself."""

    def within(self, tenant_id: str, actor: str) -> "Asking":
        """The same request, once it is known which tenant it is about."""
        metadata = self.metadata.model_copy(update={"tenant_id": tenant_id, "actor": actor})
        return Asking(self.gateway, metadata, self.seed, self.address, self.agent)

    async def from_here(self, user_id: str) -> Self:
        """The same request, telling the audit log where this user is."""
        origin = await seal_origin(
            self.gateway.vault,
            self.metadata.tenant_id,
            user_id,
            Origin(address=self.address, user_agent=self.agent),
        )
        return replace(self, metadata=self.metadata.model_copy(update={"origin": origin}))

    def id_for(self, kind: str) -> str:
        """The id of what this request creates: a repeat with its `Idempotency-Key` names the
        same.
        """
        return derived_id(kind, self.metadata.tenant_id, self.metadata.message_id)

    def secret_for(self, kind: str, prefix: str = PREFIX) -> str:
        """A secret that this request makes; a repeat makes the same, and nothing stores it."""
        return token_from(self.seed, kind, prefix)

    async def order(self, command: Command) -> Done:
        """Have it done. Raises the refusal, or `Unavailable`: whoever is nobody yet has no
        operations to look at.
        """
        done = await self.gateway.bus.order(command, self.metadata, OWNERS[command.aggregate])
        if done is None:
            raise Unavailable("it takes longer than usual; try again in a moment")
        return done

    async def ask(self, question: Question[R], answer: type[R]) -> R:
        return await self.gateway.bus.ask(question, answer, self.metadata)

    async def told(self, asked: Asked) -> bytes:
        """The answer as it came."""
        return await self.gateway.bus.told(asked, self.metadata)


@dataclass(frozen=True)
class Caller(Asking):
    """An authenticated principal, inside one request. It can name no tenant but its own."""

    principal: Principal
    recheck: Recheck
    """Raises if the credential is not good for this route any more."""

    @property
    def tenant_id(self) -> str:
        return self.principal.tenant_id

    @property
    def chat_scope(self) -> ChatScope | None:
        """The chats this caller may see or go on with; None: all of the tenant.

        Every route that shows chats, or what is in them, asks with it.
        """
        return self.principal.chat_scope

    def may_see_bot(self, bot_profile_id: str) -> bool:
        """Whether the caller is bound to no other bot."""
        return self.principal.bot_profile_id in (None, bot_profile_id)

    @override
    async def order(self, command: Command) -> Done:
        """Have it done. Raises the refusal, `StillRunning`, or `Unavailable`."""
        done = await self.gateway.bus.order(command, self.metadata, OWNERS[command.aggregate])
        if done is None:
            raise StillRunning(self.metadata.message_id)
        return done

    def while_allowed(
        self,
        body: AsyncGenerator[bytes, None],
        farewell: Callable[[Gone], bytes],
        over: Callable[[], bool] = goes_on,
    ) -> AsyncGenerator[bytes, None]:
        """What a stream tells, as `Standings` has it."""
        standings = self.gateway.standings
        return standings.while_allowed(body, self.tenant_id, self.recheck, farewell, over)

    async def until_shown(
        self, service: str, read_model: str, done: Done, *, seconds: float = 2.0
    ) -> None:
        """Wait until another service's read model shows what was done. Raises `Unavailable`."""
        question = AwaitPosition(read_model=read_model, position=done.position, seconds=seconds)
        reached = await self.gateway.bus.ask(question, Position, self.metadata, service=service)
        if reached.position < done.position:
            raise Unavailable(f"{service} has not caught up yet; the change itself is stored")


def metadata_for(request: Request, tenant_id: str, actor: str, seed: bytes) -> Metadata:
    """What goes with everything this request causes."""
    trace = request.headers.get("traceparent", "")
    return Metadata(
        tenant_id=tenant_id,
        message_id=command_id_of(seed),
        correlation_id=request.state.request_id,
        actor=actor,
        now=utc_now(),
        traceparent=trace if TRACEPARENT.fullmatch(trace) else None,
    )


def gateway_of(request: Request) -> Gateway:
    found: Gateway = request.app.state.gateway
    return found


async def anybody(request: Request) -> Asking:
    """For routes that are for everybody."""
    seed = _seed_of(request)
    metadata = metadata_for(request, "_", "anybody", seed)
    return Asking(gateway_of(request), metadata, seed, request.state.address, _agent(request))


async def caller(
    request: Request,
    _credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
) -> Caller:
    """Raise `NotAuthenticated` unless an active credential came, `NotPermitted` unless it is good
    for this route.
    """
    refused: Exception | None = getattr(request.state, "refused", None)
    if refused is not None:
        raise refused
    principal: Principal | None = getattr(request.state, "principal", None)
    if principal is None:
        raise NotAuthenticated("Not authenticated")
    rule = check(principal, request.method, request.scope["route"].path)
    found = admitted(request, principal)
    if not principal.user_id or request.method in READING or rule.scope == "chat":
        return found
    return await found.from_here(principal.user_id)


def note_use(gateway: Gateway, principal: Principal) -> None:
    """Tokens tell when they were used last."""
    if principal.kind == "token":
        gateway.token_uses.note(principal.tenant_id, principal.id)


def admitted(request: Request, principal: Principal) -> Caller:
    """Who was found to be good for the route of this request."""
    gateway = gateway_of(request)
    note_use(gateway, principal)
    seed = _seed_of(request)
    metadata = metadata_for(request, principal.tenant_id, principal.actor, seed)
    path: str = request.scope["route"].path
    return Caller(
        gateway,
        metadata,
        seed,
        request.state.address,
        _agent(request),
        principal,
        # Not the request, which holds all that it went through: a stream keeps this to its end.
        partial(_recheck, request.state.again, request.method, path),
    )


async def _recheck(again: Callable[[], Awaitable[Principal]], method: str, path: str) -> None:
    check(await again(), method, path)


AnybodyDep = Annotated[Asking, Depends(anybody)]
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


def given(body: Any) -> dict[str, Any]:
    """The fields a client really sent, for a PATCH."""
    fields: dict[str, Any] = body.model_dump(exclude_unset=True, mode="json")
    return fields


def _agent(request: Request) -> str:
    return request.headers.get("user-agent", "")


def _seed_of(request: Request) -> bytes:
    seed: bytes | None = getattr(request.state, "seed", None)
    return os.urandom(32) if seed is None else seed
