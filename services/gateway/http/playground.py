"""/v1/bot-profiles/{id}/playground: variants of a bot, tried over a suite and compared."""

import asyncio
import re
from collections.abc import AsyncGenerator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Request, Response, status
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from services.gateway.http import lists
from services.gateway.http.bot_indexes import IndexSettingsOut
from services.gateway.http.bot_profiles import ChunkOverlap, ChunkSize, Share, TopK
from services.gateway.http.context import (
    AdminDep,
    Caller,
    CallerDep,
    Id,
    Text,
    Timestamp,
    given,
)
from services.gateway.http.standing import Gone
from services.gateway.http.streaming import Streamed
from shared.contracts.chat import BotProfileView, GetBotProfile
from shared.contracts.chat_playground import VARIANTS, CancelRun, RunPlan, StartRun, Variant
from shared.contracts.chat_playground_views import (
    CompareRun,
    Comparison,
    EstimateRun,
    FollowRun,
    GetRun,
    ListResults,
    ListRuns,
    PrepareRun,
    ResultView,
    ResultViews,
    RunEstimate,
    RunNews,
    RunView,
    RunViews,
)
from shared.contracts.ingest_shadow import EstimateReindex, ReindexEstimate
from shared.kernel.errors import (
    InvalidCommand,
    NotAuthenticated,
    NotFound,
    NotPermitted,
    QuotaExceeded,
    Unavailable,
)
from shared.web import sse
from shared.web.pagination import HEADERS, WindowDep
from shared.web.problem import responses

router = APIRouter(prefix="/v1/bot-profiles/{bot_profile_id}/playground", tags=["playground"])

POSITION = re.compile(r"\d{1,15}", re.ASCII)
LOOK_SECONDS = 0.4
HEARTBEAT_EVERY = 25
"""Looks without a result between two heartbeats: one every ten seconds."""
EVENTS: dict[str, Any] = {"content": {sse.MEDIA_TYPE: {}}}
READ = responses(NotAuthenticated, NotFound)
PAGED = {**responses(NotAuthenticated, NotFound, InvalidCommand), 200: {"headers": HEADERS}}


class VariantIn(BaseModel):
    """What differs from the bot as it is published; what is left out does not."""

    model_config = ConfigDict(extra="forbid")

    title: Annotated[Text, Field(min_length=1, max_length=255)]
    system_prompt: Text = ""
    model: Annotated[Text, Field(min_length=1, max_length=100)] = "local/extractive"
    temperature: Annotated[float, Field(ge=0, le=2)] = 0
    max_tokens: Annotated[int, Field(ge=1, le=128_000)] = 1024
    floor: Share = None
    top_k: TopK = None
    """Passages that the model gets at most."""
    lexical_weight: Share = None
    """Of the lexical ranking in the fused one; the dense ranking has the rest."""
    refusal_text: Annotated[Text, Field(min_length=1, max_length=1000)] | None = None
    check_claims: bool = False
    chunk_size: ChunkSize = None
    """Characters of a chunk at most. This and the next two have the bot's sources cut and embedded
    once more for the run, beside the index that goes on answering.
    """
    chunk_overlap: ChunkOverlap = None
    """Characters that neighbours share."""
    embedding_model: Annotated[Text, Field(max_length=100)] | None = None
    """One that the bot has a way to; null: the bundled one."""


class PlanIn(BaseModel):
    suite_id: Id
    variants: Annotated[list[VariantIn], Field(min_length=1, max_length=VARIANTS)]
    """The others are compared with the first one."""
    judged: bool = False
    """Whether the first variant's model rates all answers, and compares them in both orders."""


class RunIn(PlanIn):
    stream: bool = True
    """Whether results come as server-sent events; else the run is answered as it begins."""


class VariantOut(BaseModel):
    title: str
    changes: dict[str, Any]
    index: int | None
    """Number of the run's index that is asked; null: the bot's own."""


class RunOut(BaseModel):
    id: str
    bot_profile_id: str
    bot_version: int
    suite_id: str
    questions: int
    variants: list[VariantOut]
    judged: bool
    indexes: list[IndexSettingsOut]
    """That are made for variants which are cut or embedded otherwise, and gone when it is over."""
    indexing: bool
    """Whether these are being made: the first question follows."""
    status: Literal["running", "ended", "cancelled"]
    reason: str | None
    results: int
    results_expected: int
    verdicts: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float
    started_at: Timestamp
    ended_at: Timestamp | None


class TestedPassageOut(BaseModel):
    rank: int
    n: int | None
    """Its number in the answer's context; null if the model did not get it."""
    chunk_id: str
    source_id: str
    source_name: str
    score: float
    evidence: float
    snippet: str


class ScoresOut(BaseModel):
    """`score` is all the others in one number. Null where the question says nothing of it."""

    score: float
    source_rank: int | None
    source_found: bool | None
    phrases: float | None
    overlap: float | None
    refusal_correct: bool
    grounded: bool
    evidence: float
    rating: int | None


class ResultOut(BaseModel):
    question_id: str
    question: str
    variant: int
    ending: Literal["done", "failed"]
    answer: str
    refused: bool
    passages: list[TestedPassageOut]
    scores: ScoresOut
    rating_reason: str
    model: str
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float
    latency_ms: float
    error: str | None
    detail: str | None
    verdict: Literal["better", "worse", "tie"] | None
    verdict_reason: str


class RunEstimateOut(BaseModel):
    """Before anything is asked: calls of models, and what they take at list prices. What variants
    need indexes of their own for is counted from the sizes of the sources.
    """

    questions: int
    answers: int
    calls: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float
    """Of all, as far as the prices are known."""
    indexes: int
    """That are made for the run, and gone when it is over."""
    chunks: int
    """To embed for them, at most."""
    embedding_tokens: int
    embedding_usd: float | None
    """0 for models that run here; null: a price is not known."""


class VariantSumsOut(BaseModel):
    variant: int
    title: str
    answered: int
    failed: int
    score: float
    source_found: float | None
    reciprocal_rank: float | None
    phrases: float | None
    overlap: float | None
    refusal_correct: float
    grounded: float
    rating: float | None
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float
    latency_ms: float


class DifferenceOut(BaseModel):
    """A variant against the first one: the mean difference of scores, and how sure it is."""

    variant: int
    questions: int
    mean: float
    low: float
    high: float
    confidence: float
    significant: bool
    wins: int
    losses: int
    ties: int
    preferred: int
    dispreferred: int


class ComparedQuestionOut(BaseModel):
    question_id: str
    question: str
    scores: list[float | None]
    spread: float


class ComparisonOut(BaseModel):
    run: RunOut
    variants: list[VariantSumsOut]
    differences: list[DifferenceOut]
    winner: int | None
    questions: list[ComparedQuestionOut]
    """Those on which the variants differ most come first."""


@router.post("/estimate", responses=responses(NotAuthenticated, NotFound, InvalidCommand))
async def estimate(bot_profile_id: Id, body: PlanIn, caller: CallerDep) -> RunEstimateOut:
    """What a run would take. Nothing is asked."""
    plan = await _plan(caller, bot_profile_id, body)
    found = await caller.ask(EstimateRun(plan=plan), RunEstimate)
    more = [
        await caller.ask(
            EstimateReindex(bot_profile_id=bot_profile_id, settings=one), ReindexEstimate
        )
        for one in plan.indexes
    ]
    prices = [one.price_usd for one in more]
    known = [price for price in prices if price is not None]
    return RunEstimateOut.model_validate(
        found.model_dump()
        | {
            "cost_usd": round(found.cost_usd + sum(known), 6),
            "indexes": len(more),
            "chunks": sum(one.chunks for one in more),
            "embedding_tokens": sum(one.tokens for one in more),
            "embedding_usd": sum(known) if len(known) == len(prices) else None,
        }
    )


@router.post(
    "/run",
    status_code=status.HTTP_200_OK,
    response_model=RunOut,
    responses={
        **responses(NotAuthenticated, NotPermitted, NotFound, InvalidCommand, QuotaExceeded),
        200: EVENTS,
    },
)
async def run(bot_profile_id: Id, body: RunIn, caller: AdminDep) -> Response:
    """Ask every question of a suite by every variant. Results are streamed as they come; the run
    goes on whoever listens.
    """
    plan = await _plan(caller, bot_profile_id, body)
    run_id = caller.id_for("run")
    await caller.order(StartRun(run_id=run_id, plan=plan))
    if body.stream:
        return _stream(caller, bot_profile_id, run_id, 0)
    view = await caller.ask(GetRun(bot_profile_id=bot_profile_id, run_id=run_id), RunView)
    return JSONResponse(_out(view).model_dump(mode="json"))


@router.get("/runs", response_model=list[RunOut], responses=PAGED)
async def list_runs(
    request: Request, bot_profile_id: Id, caller: CallerDep, window: WindowDep
) -> Response:
    """The runs of a bot, newest first."""
    await caller.ask(GetBotProfile(bot_profile_id=bot_profile_id), BotProfileView)
    question = ListRuns(bot_profile_id=bot_profile_id)
    return await lists.answer(request, caller, question, RunViews, _out, window)


@router.get("/runs/{run_id}", responses=READ)
async def get(bot_profile_id: Id, run_id: Id, caller: CallerDep) -> RunOut:
    """How far a run is."""
    return await _get(caller, bot_profile_id, run_id)


@router.delete(
    "/runs/{run_id}",
    responses=responses(NotAuthenticated, NotPermitted, NotFound),
)
async def cancel(bot_profile_id: Id, run_id: Id, caller: AdminDep) -> RunOut:
    """Begin no more questions of a run. What came so far stays."""
    await _get(caller, bot_profile_id, run_id)
    await caller.order(CancelRun(run_id=run_id))
    return await _get(caller, bot_profile_id, run_id)


@router.get("/runs/{run_id}/results", response_model=list[ResultOut], responses=PAGED)
async def list_results(
    request: Request, bot_profile_id: Id, run_id: Id, caller: CallerDep, window: WindowDep
) -> Response:
    """One result per question and variant, in the order in which they came."""
    await _get(caller, bot_profile_id, run_id)
    question = ListResults(run_id=run_id)
    return await lists.answer(request, caller, question, ResultViews, _result, window)


@router.get(
    "/runs/{run_id}/stream", response_class=StreamingResponse, responses={**READ, 200: EVENTS}
)
async def follow(
    bot_profile_id: Id,
    run_id: Id,
    caller: CallerDep,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Streamed:
    """The results behind `Last-Event-ID`, or all of them, and those that come."""
    await _get(caller, bot_profile_id, run_id)
    behind = int(last_event_id) if last_event_id and POSITION.fullmatch(last_event_id) else 0
    return _stream(caller, bot_profile_id, run_id, behind)


@router.get("/runs/{run_id}/comparison", responses=READ)
async def compare(bot_profile_id: Id, run_id: Id, caller: CallerDep) -> ComparisonOut:
    """The variants in sum and question by question, and how sure their differences are."""
    question = CompareRun(bot_profile_id=bot_profile_id, run_id=run_id)
    found = await caller.ask(question, Comparison)
    return ComparisonOut.model_validate(found.model_dump() | {"run": _out(found.run)})


async def _plan(caller: Caller, bot_profile_id: str, body: PlanIn) -> RunPlan:
    question = PrepareRun(
        bot_profile_id=bot_profile_id,
        suite_id=body.suite_id,
        variants=tuple(
            Variant(title=one.title, changes=_changes(given(one))) for one in body.variants
        ),
        judged=body.judged,
    )
    return await caller.ask(question, RunPlan)


def _changes(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name != "title"}


def _stream(caller: Caller, bot_profile_id: str, run_id: str, behind: int) -> Streamed:
    question = FollowRun(bot_profile_id=bot_profile_id, run_id=run_id, behind=behind)
    told = caller.while_allowed(_told(caller, question), _refused)
    return Streamed(told)


async def _told(caller: Caller, question: FollowRun) -> AsyncGenerator[bytes, None]:
    """The run, its results from the rows as they come, and its end."""
    begun, quiet = False, 0
    while True:
        try:
            news = await caller.ask(question, RunNews)
        except Unavailable:
            news = None  # what is away will be back
        if news is not None:
            if not begun:
                yield sse.encode("run", _out(news.run).model_dump(mode="json"))
                begun = True
            for item in news.items:
                yield sse.encode("result", _result(item).model_dump(mode="json"), item.position)
                question = question.model_copy(update={"behind": item.position})
                quiet = 0
            if not news.complete:
                continue
            if news.run.status != "running":
                yield sse.encode("done", _out(news.run).model_dump(mode="json"))
                return
        quiet += 1
        if quiet % HEARTBEAT_EVERY == 0:
            yield sse.encode("heartbeat", {})
        await asyncio.sleep(LOOK_SECONDS)


def _refused(gone: Gone) -> bytes:
    return sse.encode("error", {"detail": gone.detail, "code": gone.code, "retryable": False})


async def _get(caller: Caller, bot_profile_id: str, run_id: str) -> RunOut:
    return _out(await caller.ask(GetRun(bot_profile_id=bot_profile_id, run_id=run_id), RunView))


def _out(run: RunView) -> RunOut:
    plan = run.plan.model_dump() | {
        "questions": len(run.plan.questions),
        "indexing": bool(run.plan.indexes) and run.status == "running" and run.results == 0,
    }
    return RunOut.model_validate(plan | run.model_dump(exclude={"plan"}))


def _result(result: ResultView) -> ResultOut:
    return ResultOut.model_validate(result.model_dump())
