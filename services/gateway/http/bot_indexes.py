"""/v1/bot-profiles/{id}/index: from what a bot answers, and what another index would cost."""

from typing import Annotated

from fastapi import APIRouter, status
from pydantic import BaseModel, Field

from services.gateway.http.bot_profiles import ChunkOverlap, ChunkSize
from services.gateway.http.context import (
    AdminDep,
    Caller,
    CallerDep,
    Id,
    Text,
    Timestamp,
    given,
)
from shared.contracts.chat import BotProfileView, GetBotProfile
from shared.contracts.chat_index import (
    BotIndexView,
    GetBotIndex,
    IndexSettings,
    PrepareReindex,
    ReindexState,
    RetryReindex,
)
from shared.contracts.ingest_shadow import EstimateReindex, ReindexEstimate
from shared.kernel.errors import (
    Conflict,
    InvalidCommand,
    NotAuthenticated,
    NotFound,
    NotPermitted,
)
from shared.web.problem import responses

router = APIRouter(prefix="/v1/bot-profiles", tags=["bot profiles"])


class IndexSettingsOut(BaseModel):
    """How texts are cut and embedded; null: the default."""

    chunk_size: int | None
    chunk_overlap: int | None
    embedder: str | None


class BuildingOut(BaseModel):
    """A generation on its way."""

    generation: int
    settings: IndexSettingsOut
    sources_done: int
    sources_total: int
    started_at: Timestamp
    reason: str | None
    """Why it failed; the generation before goes on answering."""
    failed_source_id: str | None


class BotIndexOut(BaseModel):
    """`state` is of what the bot's settings ask for."""

    bot_profile_id: str
    state: ReindexState
    generation: int
    """That answers. Numbers only rise."""
    settings: IndexSettingsOut
    sources: int
    chunks: int
    switched_at: Timestamp | None
    building: BuildingOut | None


class EstimateIn(BaseModel):
    """What is left out stays as the bot has it."""

    chunk_size: ChunkSize = None
    chunk_overlap: ChunkOverlap = None
    embedding_model: Annotated[Text, Field(max_length=100)] | None = None


class EstimateOut(BaseModel):
    """Counted from the sizes of the sources; nothing is cut or embedded."""

    settings: IndexSettingsOut
    needed: bool
    """Whether the bot would be re-indexed at all."""
    sources: int
    chunks: int
    tokens: int
    price_usd: float | None
    """0 for models that run here; null: the price is not known."""
    price_known: bool


@router.get("/{bot_profile_id}/index", responses=responses(NotAuthenticated, NotFound))
async def get_index(bot_profile_id: Id, caller: CallerDep) -> BotIndexOut:
    """From which generation of its index the bot answers, and how far another one is."""
    return await _index(caller, bot_profile_id)


@router.post(
    "/{bot_profile_id}/reindex/retry",
    status_code=status.HTTP_202_ACCEPTED,
    responses=responses(NotAuthenticated, NotPermitted, NotFound, Conflict),
)
async def retry(bot_profile_id: Id, caller: AdminDep) -> BotIndexOut:
    """Begin a re-index anew that failed."""
    await caller.ask(GetBotProfile(bot_profile_id=bot_profile_id), BotProfileView)
    await caller.order(RetryReindex(bot_profile_id=bot_profile_id))
    return await _index(caller, bot_profile_id)


@router.post(
    "/{bot_profile_id}/reindex/estimate",
    responses=responses(NotAuthenticated, NotFound, InvalidCommand),
)
async def estimate(bot_profile_id: Id, body: EstimateIn, caller: CallerDep) -> EstimateOut:
    """What it would cost to change how the bot's sources are cut and embedded."""
    change = PrepareReindex(bot_profile_id=bot_profile_id, changes=given(body))
    settings = await caller.ask(change, IndexSettings)
    question = EstimateReindex(bot_profile_id=bot_profile_id, settings=settings)
    found = await caller.ask(question, ReindexEstimate)
    return EstimateOut.model_validate(
        found.model_dump() | {"price_known": found.price_usd is not None}
    )


async def _index(caller: Caller, bot_profile_id: str) -> BotIndexOut:
    found = await caller.ask(GetBotIndex(bot_profile_id=bot_profile_id), BotIndexView)
    return BotIndexOut.model_validate(found.model_dump())
