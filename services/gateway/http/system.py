"""Health and operations."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Generic, TypeVar

from fastapi import APIRouter, Depends, Request, Response, status
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError

from services.gateway.http.context import CallerDep, Gateway, Id, gateway_of
from shared.contracts.base import Metadata, Refusal
from shared.contracts.operations import GetHealth, GetOutcome, MaybeOutcome, ServiceHealth
from shared.kernel.clock import utc_now
from shared.kernel.errors import MiniRagError, NotAuthenticated, NotFound, Unavailable
from shared.kernel.ids import new_id
from shared.web.problem import responses

router = APIRouter(tags=["system"])
log = logging.getLogger(__name__)

SERVICES = ("gateway", "ingest", "chat", "scheduler", "analytics", "webhooks")
COMMAND_OWNERS = ("gateway", "ingest", "chat", "webhooks", "analytics")
WAIT_SECONDS = 1.5
FRESH_SECONDS = 1.0
"""How long an answer is kept: the route is public, and each one asks every service."""


class Part(BaseModel):
    status: str
    detail: str | None = None
    version: str | None = None
    latency_ms: float | None = None


class Health(BaseModel):
    status: str
    postgres: Part
    qdrant: Part
    redis: Part
    """The NATS broker, under the name that clients of the original look for."""
    nats: Part
    services: dict[str, Part]


class ReadModel(BaseModel):
    """What a service shows of the log, and how far it is."""

    service: str
    name: str
    lag: int
    """Events of the installation that it does not show yet."""


class KnownHealth(Health):
    """With what is not for everybody."""

    read_models: list[ReadModel]


class Operation(BaseModel):
    id: str
    status: str
    """`pending`, `done` or `refused`."""
    detail: str | None = None


T = TypeVar("T")


class Fresh(Generic[T]):
    """An answer that is got anew at most once a second, whoever asks."""

    def __init__(self, get: Callable[[Gateway], Awaitable[T]]) -> None:
        self._get = get
        self._lock = asyncio.Lock()
        self._last: tuple[float, T] | None = None

    async def look(self, gateway: Gateway) -> T:
        async with self._lock:
            if self._last is None or time.monotonic() - self._last[0] > FRESH_SECONDS:
                answer = await self._get(gateway)
                self._last = time.monotonic(), answer
            return self._last[1]


class HealthProbe:
    """How everything does, and whether this gateway can take requests."""

    def __init__(self) -> None:
        self.all = Fresh(_look)
        self.own = Fresh(_own)


def probe_of(request: Request) -> HealthProbe:
    found: HealthProbe = request.app.state.health
    return found


@router.get("/health")
async def health() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/livez")
async def livez() -> dict[str, str]:
    """For orchestrators: the event loop turns."""
    return {"status": "ok"}


@router.get("/readyz", responses={503: {"description": "Something a request needs is away."}})
async def readyz(
    request: Request, probe: Annotated[HealthProbe, Depends(probe_of)], response: Response
) -> dict[str, str]:
    """For orchestrators: this gateway can take requests; 503 otherwise, and once it is to stop.

    Other services do not count. While one is away its commands wait and its questions are told to
    be asked later; with every gateway withdrawn for it, nobody would answer anything.
    """
    gateway = gateway_of(request)
    leaves = gateway.leaving.is_set()
    status_text = "stopping" if leaves else await probe.own.look(gateway)
    if status_text != "ok":
        response.status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    return {"status": status_text}


@router.get("/v1/system/health")
async def system_health(
    request: Request, probe: Annotated[HealthProbe, Depends(probe_of)]
) -> Health:
    """How every backing part and every service does. Tells no address and no error text."""
    return await probe.all.look(gateway_of(request))


@router.get("/v1/operations/{operation_id}", responses=responses(NotAuthenticated, NotFound))
async def operation(operation_id: Id, caller: CallerDep) -> Operation:
    """What became of a command that was answered with 202."""
    question = GetOutcome(command_id=operation_id)
    unanswered = False
    for owner in COMMAND_OWNERS:
        try:
            found = await caller.gateway.bus.ask(
                question, MaybeOutcome, caller.metadata, service=owner, timeout=WAIT_SECONDS
            )
        except Unavailable:
            unanswered = True
            continue
        match found.outcome:
            case Refusal(detail=detail):
                return Operation(id=operation_id, status="refused", detail=detail)
            case None:
                continue
            case _:
                return Operation(id=operation_id, status="done")
    if unanswered:
        return Operation(id=operation_id, status="pending")
    raise NotFound("Operation not found")


async def _own(gateway: Gateway) -> str:
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            return (await gateway.health()).status
    except (TimeoutError, OSError, SQLAlchemyError) as error:
        log.warning("not ready", extra={"error": repr(error)})
        return "degraded"


async def _look(gateway: Gateway) -> KnownHealth:
    found = await asyncio.gather(*(_ask(gateway, service) for service in SERVICES))
    services = dict(zip(SERVICES, found, strict=True))
    parts: dict[str, Any] = {"postgres": Part(status="error"), "qdrant": Part(status="error")}
    for answer, latency in found:
        if answer is None:
            continue
        for name, state in answer.parts.items():
            well = state == "ok" or state.startswith("ok ")
            parts[name] = Part(
                status="ok" if well else "error",
                detail=None if well else "not reachable",
                version=state[3:] or None if well else None,
                latency_ms=latency,
            )
    broker = Part(
        status="ok" if any(answer is not None for answer, _ in found) else "error",
        latency_ms=min((ms for answer, ms in found if answer is not None), default=None),
    )
    shown = {
        name: Part(
            status="error" if answer is None else "ok" if answer.status == "ok" else "degraded",
            latency_ms=None if answer is None else latency,
        )
        for name, (answer, latency) in services.items()
    }
    states = [part.status for part in (*shown.values(), *parts.values(), broker)]
    models = [
        ReadModel(service=name, name=model.name, lag=model.lag)
        for name, (answer, _) in services.items()
        if answer is not None
        for model in answer.read_models
    ]
    return KnownHealth(
        status="ok" if set(states) == {"ok"} else "degraded",
        postgres=parts["postgres"],
        qdrant=parts["qdrant"],
        redis=broker,
        nats=broker,
        services=shown,
        read_models=models,
    )


async def _ask(gateway: Gateway, service: str) -> tuple[ServiceHealth | None, float]:
    started = time.perf_counter()
    metadata = Metadata(
        tenant_id="_", message_id=new_id(), correlation_id=new_id(), actor="probe", now=utc_now()
    )
    try:
        answer = await gateway.bus.ask(
            GetHealth(), ServiceHealth, metadata, service=service, timeout=WAIT_SECONDS
        )
    except MiniRagError:
        answer = None
    return answer, round((time.perf_counter() - started) * 1000, 2)
