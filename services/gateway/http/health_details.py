"""/v1/system/health/detailed: how the installation does, and what the caller's tenant has in it.

Counts are the tenant's own: nobody sees what others have. Addresses, and what the parts of another
kind of installation would tell about themselves, are named without a value.
"""

import platform
import time
from collections.abc import Awaitable
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from services.gateway.http import lists
from services.gateway.http.bot_profiles import BotProfileIn
from services.gateway.http.context import Caller, CallerDep
from services.gateway.http.system import Health, HealthProbe, KnownHealth, probe_of
from shared.contracts.chat import BotProfileView, BotProfileViews, ListBotProfiles
from shared.contracts.chat_history import ChatTotals, CountChats
from shared.contracts.ingest import CountSources, SourceStatus, SourceTotals
from shared.kernel.errors import NotAuthenticated, Unavailable
from shared.web.problem import responses

router = APIRouter(tags=["system"])

STARTED = time.monotonic()
MODELS = BotProfileIn.model_fields
STATUSES: tuple[SourceStatus, ...] = ("pending", "processing", "ready", "error")
BOTS_SHOWN = 1000


class Failed(BaseModel):
    """A part that cannot tell at the moment."""

    error: str


class Counts(BaseModel):
    sources_by_status: dict[SourceStatus, int]
    total_chunks: int
    total_messages: int
    total_chats: int
    total_usage_events: int
    total_prompt_tokens: int
    total_completion_tokens: int


class IndexStats(BaseModel):
    collection: str
    vectors_count: int
    points_count: int
    segments_count: int | None = None
    status: str
    disk_data_size_mb: float | None = None
    ram_data_size_mb: float | None = None


class BrokerStats(BaseModel):
    used_memory_human: str | None = None
    used_memory_peak_human: str | None = None
    connected_clients: int | None = None
    uptime_seconds: int | None = None
    db_keys: int | None = None


class BotSummary(BaseModel):
    bot_profile_id: str
    bot_name: str
    model: str
    is_active: bool
    source_count: int
    ready_sources: int
    total_chunks: int


class Configuration(BaseModel):
    database_url: str | None = None
    redis_url: str | None = None
    qdrant_url: str | None = None
    encryption_configured: bool = True
    jwt_configured: bool = True
    jwt_expire_minutes: int
    default_llm_model: str
    default_embedding_model: str | None
    cors_origins: list[str]


class DetailedHealth(KnownHealth):
    uptime_seconds: int
    """Of the gateway that answers."""
    python_version: str
    platform: str
    db_stats: Counts | Failed
    qdrant_stats: IndexStats | Failed
    redis_stats: BrokerStats
    bot_sources: list[BotSummary] | Failed
    """Newest first, 1000 at most."""
    config: Configuration


@router.get("/v1/system/health/detailed", responses=responses(NotAuthenticated))
async def detailed_health(
    request: Request, caller: CallerDep, probe: Annotated[HealthProbe, Depends(probe_of)]
) -> DetailedHealth:
    """How every part does, and what the tenant has. Tells no address."""
    health = await probe.all.look(caller.gateway)
    sources = await _told(caller.ask(CountSources(), SourceTotals))
    chats = await _told(caller.ask(CountChats(), ChatTotals))
    bots = await _told(_bots(caller))
    return DetailedHealth(
        **health.model_dump(),
        uptime_seconds=round(time.monotonic() - STARTED),
        python_version=platform.python_version(),
        platform=platform.platform(terse=True),
        db_stats=_counts(sources, chats),
        qdrant_stats=_index(sources, health),
        redis_stats=BrokerStats(),
        bot_sources=_summaries(bots, sources),
        config=Configuration(
            jwt_expire_minutes=caller.gateway.signed.access_seconds // 60,
            default_llm_model=MODELS["model"].default,
            default_embedding_model=MODELS["embedding_model"].default,
            cors_origins=request.app.state.allowed_origins,
        ),
    )


async def _told(answer: Awaitable[Any]) -> Any:
    """What an owner answers, or that it does not."""
    try:
        return await answer
    except Unavailable:
        return Failed(error="does not answer")


async def _bots(caller: Caller) -> list[BotProfileView]:
    found: list[BotProfileView] = []
    async with aclosing(lists.pages(caller, ListBotProfiles(), BotProfileViews)) as pages:
        async for page in pages:
            found += page.items
            if len(found) >= BOTS_SHOWN:
                break
    return found[:BOTS_SHOWN]


def _counts(sources: SourceTotals | Failed, chats: ChatTotals | Failed) -> Counts | Failed:
    if isinstance(sources, Failed):
        return sources
    if isinstance(chats, Failed):
        return chats
    return Counts(
        sources_by_status={status: sources.by_status.get(status, 0) for status in STATUSES},
        total_chunks=_chunks(sources),
        total_messages=chats.messages,
        total_chats=chats.chats,
        total_usage_events=chats.turns,
        total_prompt_tokens=chats.prompt_tokens,
        total_completion_tokens=chats.completion_tokens,
    )


def _index(sources: SourceTotals | Failed, health: Health) -> IndexStats | Failed:
    if isinstance(sources, Failed):
        return sources
    chunks = _chunks(sources)
    status = "green" if health.qdrant.status == "ok" else "red"
    return IndexStats(
        collection="minirag", vectors_count=chunks, points_count=chunks, status=status
    )


def _chunks(sources: SourceTotals) -> int:
    return sum(bot.chunks for bot in sources.by_bot)


def _summaries(
    bots: list[BotProfileView] | Failed, sources: SourceTotals | Failed
) -> list[BotSummary] | Failed:
    if isinstance(bots, Failed):
        return bots
    if isinstance(sources, Failed):
        return sources
    known = {one.bot_profile_id: one for one in sources.by_bot}
    return [
        BotSummary(
            bot_profile_id=bot.id,
            bot_name=bot.name,
            model=bot.model,
            is_active=bot.is_active,
            source_count=known[bot.id].sources if bot.id in known else 0,
            ready_sources=known[bot.id].ready if bot.id in known else 0,
            total_chunks=known[bot.id].chunks if bot.id in known else 0,
        )
        for bot in bots
    ]
