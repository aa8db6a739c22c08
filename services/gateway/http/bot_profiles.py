"""/v1/bot-profiles."""

from collections.abc import Mapping
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Request, Response, status
from pydantic import BaseModel, Field

from services.gateway.http import lists
from services.gateway.http.context import (
    AdminDep,
    Caller,
    CallerDep,
    Id,
    Text,
    Timestamp,
    given,
)
from shared.contracts.chat import (
    BotProfileView,
    BotProfileViews,
    BotSettings,
    CreateBotProfile,
    DeactivateBotProfile,
    GetBotProfile,
    ListBotProfiles,
    UpdateBotProfile,
)
from shared.contracts.chat_index import CHUNK_OVERLAPS, CHUNK_SIZES
from shared.contracts.chat_retrieval import Reranking, RetrievalView, Retrieve
from shared.kernel.errors import Conflict, InvalidCommand, NotAuthenticated, NotFound, NotPermitted
from shared.web.pagination import HEADERS, WindowDep
from shared.web.problem import responses

router = APIRouter(prefix="/v1/bot-profiles", tags=["bot profiles"])

NAMES = (
    *("api_key", "api_base", "api_version", "embedding_api_key", "embedding_api_base"),
    *("rerank_api_key", "rerank_api_base"),
)
"""What may stand in credentials; other keys are not kept."""
ChunkSize = Annotated[int, Field(ge=CHUNK_SIZES[0], le=CHUNK_SIZES[1])] | None
TopK = Annotated[int, Field(ge=1, le=20)] | None
Share = Annotated[float, Field(ge=0, le=1)] | None
ChunkOverlap = Annotated[int, Field(ge=CHUNK_OVERLAPS[0], le=CHUNK_OVERLAPS[1])] | None

Host = Annotated[
    str, Field(max_length=253, pattern=r"^(\*\.)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$")
]
LinkHosts = Annotated[list[Host], Field(max_length=50)]


class BotProfileIn(BaseModel):
    name: Annotated[Text, Field(max_length=255)]
    description: Annotated[Text, Field(max_length=1000)] = ""
    model: Annotated[Text, Field(max_length=100)] = "gpt-4o-mini"
    embedding_model: Annotated[Text, Field(max_length=100)] | None = None
    system_prompt: Text = "You are a helpful assistant."
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.7
    max_tokens: Annotated[int, Field(ge=1, le=128_000)] = 1024
    floor: Annotated[float, Field(ge=0, le=1)] | None = None
    """Evidence below which the bot refuses; null: the measured default."""
    refusal_text: Annotated[Text, Field(min_length=1, max_length=1000)] | None = None
    """How the bot says that it does not know; null: in the question's language."""
    check_claims: bool = False
    """Whether a model checks that the cited passages support the answer."""
    fallback_models: Annotated[
        list[Annotated[Text, Field(min_length=1, max_length=100)]], Field(max_length=3)
    ] = []
    """Asked in turn when the model fails before its first word."""
    link_hosts: LinkHosts = []
    """Besides its sources' hosts, those that answers may link to; `*.example.com`: all below."""
    chunk_size: ChunkSize = None
    """Characters of a chunk at most; null: what the operator has set, 1200 if nothing."""
    chunk_overlap: ChunkOverlap = None
    """Characters that neighbouring chunks share at most; null: as the operator has it."""
    cache_answers: bool = False
    """Whether an answer is given again to the same question, while its sources stay as they are."""
    rerank_model: Annotated[Text, Field(min_length=1, max_length=100)] | None = None
    """Puts the best passages in order, at `rerank_api_base` of the credentials; null: nobody."""
    top_k: TopK = None
    """Passages that the model gets at most; null: five."""
    lexical_weight: Share = None
    """Of the lexical ranking in the fused one, the dense ranking has the rest; null: as measured
    for the embedding model."""
    credentials: dict[str, Any] | None = None
    """`api_key`, and `api_base` for any OpenAI-compatible server; `embedding_api_key` and
    `embedding_api_base` for the embedding model, `rerank_api_key` and `rerank_api_base` for the
    reranker. Never read back."""


class BotProfilePatch(BaseModel):
    name: Annotated[Text, Field(max_length=255)] = ""
    description: Annotated[Text, Field(max_length=1000)] = ""
    model: Annotated[Text, Field(max_length=100)] = ""
    embedding_model: Annotated[Text, Field(max_length=100)] | None = None
    system_prompt: Text = ""
    temperature: Annotated[float, Field(ge=0, le=2)] = 0
    max_tokens: Annotated[int, Field(ge=1, le=128_000)] = 1
    is_active: bool = True
    floor: Annotated[float, Field(ge=0, le=1)] | None = None
    refusal_text: Annotated[Text, Field(min_length=1, max_length=1000)] | None = None
    check_claims: bool = False
    fallback_models: Annotated[
        list[Annotated[Text, Field(min_length=1, max_length=100)]], Field(max_length=3)
    ] = []
    link_hosts: LinkHosts = []
    chunk_size: ChunkSize = None
    chunk_overlap: ChunkOverlap = None
    cache_answers: bool = False
    rerank_model: Annotated[Text, Field(min_length=1, max_length=100)] | None = None
    top_k: TopK = None
    lexical_weight: Share = None
    gate_suite_id: Id | None = None
    """What shapes answers is then changed only by publishing a variant of a run of this suite."""
    credentials: dict[str, Any] | None = None
    """`{}` or null forgets them; leaving the field out keeps them."""


class BotProfileOut(BaseModel):
    id: str
    tenant_id: str
    name: str
    description: str
    model: str
    embedding_model: str | None
    system_prompt: str
    temperature: float
    max_tokens: int
    has_credentials: bool
    is_active: bool
    floor: float | None
    refusal_text: str | None
    check_claims: bool
    fallback_models: list[str]
    link_hosts: list[str]
    chunk_size: int | None
    chunk_overlap: int | None
    cache_answers: bool
    rerank_model: str | None
    top_k: int | None
    lexical_weight: float | None
    gate_suite_id: str | None
    version: int
    """Of the settings: rises with every change."""
    created_at: Timestamp
    updated_at: Timestamp


class RetrieveIn(BaseModel):
    query: Annotated[Text, Field(min_length=1, max_length=32_000)]
    limit: Annotated[int, Field(ge=1, le=50)] = 5
    source_ids: Annotated[list[Id], Field(min_length=1, max_length=100)] | None = None
    """Only these sources."""
    language: Annotated[str, Field(pattern="^[a-z]{2}$")] | None = None
    """Only texts in this language (ISO 639-1)."""


class PassageOut(BaseModel):
    """A passage that was found, and why. `n` is its number in an answer's context."""

    rank: int
    n: int | None
    chunk_id: str
    chunk_ids: list[str]
    source_id: str
    source_name: str
    title: str | None
    url: str | None
    heading: str | None
    revision: int
    start: int
    end: int
    text: str
    language: str | None
    authority: str | None
    score: float
    similarity: float
    likeness: float
    lexical: float | None
    lexical_rank: int | None
    dense_rank: int | None
    coverage: float
    evidence: float
    kinship: float
    reranked: float | None


class RetrievalOut(BaseModel):
    query: str
    searched: list[str]
    query_language: str | None
    verdict: str
    floor: float
    best: float
    latency_ms: float
    reranking: Reranking
    passages: list[PassageOut]


class PublicBotOut(BaseModel):
    """What those may see who can do no more than chat with it."""

    id: str
    name: str
    description: str
    is_active: bool


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses=responses(NotAuthenticated, NotPermitted, InvalidCommand),
)
async def create(body: BotProfileIn, caller: AdminDep) -> BotProfileOut:
    """Make a bot. Its credentials go to the vault and are never read back."""
    bot_id = caller.id_for("bot_profile")
    ref = await _keep(caller, body.credentials)
    settings = BotSettings(**body.model_dump(exclude={"credentials"}), credentials_ref=ref)
    await caller.order(CreateBotProfile(bot_profile_id=bot_id, settings=settings))
    return await _get(caller, bot_id)


@router.get(
    "",
    response_model=list[BotProfileOut],
    responses={**responses(NotAuthenticated, InvalidCommand), 200: {"headers": HEADERS}},
)
async def list_bots(request: Request, caller: CallerDep, window: WindowDep) -> Response:
    """All bots, newest first, inactive ones included."""
    return await lists.answer(
        request, caller, ListBotProfiles(), BotProfileViews, BotProfileOut, window, again=True
    )


@router.get("/{bot_profile_id}", responses=responses(NotAuthenticated, NotFound))
async def get(bot_profile_id: Id, caller: CallerDep) -> BotProfileOut | PublicBotOut:
    """One bot, also when it is inactive. Credentials bound to it see its public profile."""
    if caller.principal.bot_profile_id is None:
        return await _get(caller, bot_profile_id)
    if not caller.may_see_bot(bot_profile_id):
        raise NotFound("Bot profile not found")
    bot = await caller.ask(GetBotProfile(bot_profile_id=bot_profile_id), BotProfileView)
    return PublicBotOut.model_validate(bot.model_dump())


@router.patch(
    "/{bot_profile_id}",
    responses=responses(NotAuthenticated, NotPermitted, NotFound, InvalidCommand, Conflict),
)
async def patch(bot_profile_id: Id, body: BotProfilePatch, caller: AdminDep) -> BotProfileOut:
    """Change the fields that are sent."""
    changes = given(body)
    if "credentials" in changes:
        changes["credentials_ref"] = await _keep(caller, changes.pop("credentials"))
    await caller.order(UpdateBotProfile(bot_profile_id=bot_profile_id, changes=changes))
    return await _get(caller, bot_profile_id)


@router.delete(
    "/{bot_profile_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=responses(NotAuthenticated, NotPermitted, NotFound),
)
async def deactivate(bot_profile_id: Id, caller: AdminDep) -> None:
    """Switch a bot off. It can still be read, and switched on again by PATCH."""
    await caller.order(DeactivateBotProfile(bot_profile_id=bot_profile_id))


@router.post("/{bot_profile_id}/retrieve", responses=responses(NotAuthenticated, NotFound))
async def retrieve(bot_profile_id: Id, body: RetrieveIn, caller: CallerDep) -> RetrievalOut:
    """What the bot would answer from, and why. No model is asked."""
    question = Retrieve(
        bot_profile_id=bot_profile_id,
        query=body.query,
        limit=body.limit,
        source_ids=None if body.source_ids is None else tuple(body.source_ids),
        language=body.language,
    )
    found = await caller.ask(question, RetrievalView)
    return RetrievalOut.model_validate(found.model_dump())


async def _get(caller: Caller, bot_id: str) -> BotProfileOut:
    return bot_out(await caller.ask(GetBotProfile(bot_profile_id=bot_id), BotProfileView))


async def _keep(caller: Caller, credentials: dict[str, Any] | None) -> str | None:
    """Put credentials into the vault and return where; None if there are none.

    Raises `InvalidCommand` for what cannot be sent in a header.
    """
    kept = checked(credentials or {})
    if not kept:
        return None
    ref = f"credentials/{caller.id_for('credentials')}"
    await caller.gateway.vault.put(caller.tenant_id, ref, orjson.dumps(kept))
    return ref


def checked(credentials: Mapping[str, Any]) -> dict[str, str]:
    """What of them may be kept. Raises `InvalidCommand` for what cannot be sent in a header."""
    kept = {}
    for name in NAMES:
        value = credentials.get(name)
        if value is not None and (not isinstance(value, str) or not _sendable(value)):
            raise InvalidCommand(f"{name} must be a text", field=f"credentials.{name}")
        if value:
            kept[name] = value
    return kept


def _sendable(value: str) -> bool:
    """Whether it can stand in a header of a request to the provider."""
    return value.isascii() and value.isprintable()


def bot_out(bot: BotProfileView) -> BotProfileOut:
    return BotProfileOut.model_validate(bot.model_dump())
