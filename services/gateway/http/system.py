"""Health and operations."""

import asyncio
import time
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response, status
from pydantic import BaseModel

from services.gateway.http.context import CallerDep, Gateway, checked_id, gateway_of
from shared.contracts.base import Metadata, Refusal
from shared.contracts.operations import GetHealth, GetOutcome, MaybeOutcome, ServiceHealth
from shared.kernel.clock import utc_now
from shared.kernel.errors import MiniRagError, NotAuthenticated, NotFound, Unavailable
from shared.kernel.ids import new_id
from shared.web.problem import responses

router = APIRouter(tags=["system"])

SERVICES = ("gateway", "ingest", "chat", "scheduler", "analytics", "webhooks")
COMMAND_OWNERS = ("gateway", "ingest", "chat")
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


class Operation(BaseModel):
    id: str
    status: str
    """`pending`, `done` or `refused`."""
    detail: str | None = None


class HealthProbe:
    """Asks every service how it is, at most once a second."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._last: Health | None = None
        self._at = 0.0

    async def look(self, gateway: Gateway) -> Health:
        async with self._lock:
            if self._last is None or time.monotonic() - self._at > FRESH_SECONDS:
                self._last = await _look(gateway)
                self._at = time.monotonic()
            return self._last


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
    """For orchestrators: everything a request needs answers; 503 otherwise."""
    found = await probe.look(gateway_of(request))
    if found.status != "ok":
        response.status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    return {"status": found.status}


@router.get("/v1/system/health")
async def system_health(
    request: Request, probe: Annotated[HealthProbe, Depends(probe_of)]
) -> Health:
    """How every backing part and every service does. Tells no address and no error text."""
    return await probe.look(gateway_of(request))


@router.get("/v1/operations/{operation_id}", responses=responses(NotAuthenticated, NotFound))
async def operation(operation_id: str, caller: CallerDep) -> Operation:
    """What became of a command that was answered with 202."""
    question = GetOutcome(command_id=checked_id(operation_id, NotFound("Operation not found")))
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


async def _look(gateway: Gateway) -> Health:
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
    return Health(
        status="ok" if set(states) == {"ok"} else "degraded",
        postgres=parts["postgres"],
        qdrant=parts["qdrant"],
        redis=broker,
        nats=broker,
        services=shown,
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
