"""/v1/chat and /v1/citations."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Response, status
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from services.gateway.http import relay
from services.gateway.http.context import Caller, CallerDep, Id, Text, Timestamp
from services.gateway.http.drafts import BotDraftIn, draft_of
from services.gateway.http.pace import paced
from services.gateway.http.standing import Gone
from services.gateway.http.streaming import Streamed
from shared.contracts.chat import (
    AskQuestion,
    GetTurn,
    Said,
    StopTurn,
    TurnView,
)
from shared.contracts.chat_frames import Frame
from shared.contracts.chat_replay import Replay
from shared.contracts.chat_retrieval import CitationText, GetCitation
from shared.kernel.errors import InvalidCommand, NotAuthenticated, NotFound, NotPermitted
from shared.kernel.ids import derived_id
from shared.web import sse
from shared.web.problem import ProblemError, described, responses

router = APIRouter(prefix="/v1", tags=["chat"])

EVENTS: dict[str, Any] = {"content": {sse.MEDIA_TYPE: {}}}
"""An answer as a stream; its events are in the guide."""
OLD_FAILURE = "Stream error"
HEARTBEAT_EVERY = 5
"""Looks without a frame between two heartbeats: one every ten seconds."""


class ChatIn(BaseModel):
    bot_profile_id: Id
    message: Annotated[Text, Field(min_length=1, max_length=32_000)]
    chat_id: Id | None = None
    stream: bool = False
    draft: BotDraftIn | None = None
    """Settings to be tried before they are saved, by whoever may change the bot. Such an answer
    is paid for, and is in no statistics of what visitors ask.
    """


class MessageOut(BaseModel):
    id: str
    chat_id: str
    turn_id: str | None
    """That the question and its answer have in common."""
    role: str
    content: str
    prompt_tokens: int
    completion_tokens: int
    feedback: str | None
    draft: bool
    """Whether unsaved settings of the bot were tried."""
    refusal: bool
    """Whether the bot said that its sources hold no answer."""
    created_at: Timestamp


class SourceHitOut(BaseModel):
    chunk_id: str
    content: str
    score: float
    source_id: str


class UsageOut(BaseModel):
    model: str
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class CitationOut(BaseModel):
    """Where a passage stands. `GET /v1/citations/{citation_id}` opens it."""

    citation_id: str
    n: int
    source_id: str
    document_id: str
    chunk_id: str
    title: str | None
    url: str | None
    heading: str | None
    page: int | None
    revision: int
    start: int
    end: int
    score: float
    authority: str | None


class ChatOut(BaseModel):
    turn_id: str
    chat_id: str
    message: MessageOut
    sources: list[SourceHitOut]
    citations: list[CitationOut]
    usage: UsageOut
    grounded: bool
    support: float | None
    stopped: bool
    bot_version: int | None
    """Of the bot's settings that it was given by."""


class TurnOut(BaseModel):
    turn_id: str
    chat_id: str
    status: Literal["open", "answered", "refused", "failed"]
    message: MessageOut | None
    """The answer; null while it is open, and for a turn that failed."""
    citations: list[CitationOut]
    """The passages that it was given."""
    grounded: bool
    stopped: bool
    reason: str | None
    """Why it was refused."""
    error: str | None
    """Why it failed."""
    bot_version: int | None
    """Of the bot's settings that it was given by; null: a draft did, or it is open."""


class CitationTextOut(BaseModel):
    citation: CitationOut
    text: str
    before: str
    after: str


@router.post(
    "/chat",
    response_model=ChatOut,
    responses={
        **responses(NotAuthenticated, NotPermitted, NotFound, InvalidCommand),
        200: EVENTS,
        402: described("A budget with a hard stop is used up; no model was asked."),
        502: described("The language model failed; the question stays stored."),
        504: described("The language model took too long; the question stays stored."),
    },
)
async def chat(
    body: ChatIn,
    caller: CallerDep,
    origin: Annotated[str | None, Header(include_in_schema=False)] = None,
    idempotency_key: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> Any:
    """Ask a bot. With `stream: true` the answer comes as server-sent events."""
    draft = draft_of(body.draft, caller)
    command = await question(caller, body.bot_profile_id, body.message, body.chat_id, draft=draft)
    turn_id = command.turn_id
    await caller.order(command)
    if body.stream:
        first = sse.encode("turn", {"turn_id": turn_id, "chat_id": command.chat_id}, 0)
        # A page with a secret token, and without a key for repeats: the widget of the original.
        old = origin is not None and idempotency_key is None and caller.principal.kind == "token"
        return stream(caller, turn_id, 0, first, told=_in_old_words if old else None)
    return await outcome(caller, turn_id)


@router.get(
    "/chat/turns/{turn_id}/stream",
    response_class=StreamingResponse,
    responses={
        **responses(NotAuthenticated, NotFound),
        200: EVENTS,
        204: {"description": "`Last-Event-ID` is the end of the stream: nothing comes behind it."},
    },
)
async def resume(
    turn_id: Id, caller: CallerDep, last_event_id: Annotated[str | None, Header()] = None
) -> Response:
    """Go on with a stream behind `Last-Event-ID`, or see it from the beginning."""
    turn = await caller.ask(GetTurn(turn_id=turn_id, scope=caller.chat_scope), TurnView)
    after = int(last_event_id) if last_event_id and last_event_id.isdigit() else 0
    if after and await caller.gateway.frames.ends(caller.tenant_id, turn_id, after):
        # A browser's EventSource comes back after every end, and stays away after a 204 only.
        return Response(status_code=status.HTTP_204_NO_CONTENT)
    first = sse.encode("turn", {"turn_id": turn_id, "chat_id": turn.chat_id}, 0)
    return stream(caller, turn_id, after, b"" if after else first, begun=True)


@router.get("/chat/turns/{turn_id}", responses=responses(NotAuthenticated, NotFound))
async def turn(turn_id: Id, caller: CallerDep) -> TurnOut:
    """How a turn stands or went, with the passages that it was given. Those whose `[n]` stands in
    the answer are cited.
    """
    found = await caller.ask(GetTurn(turn_id=turn_id, scope=caller.chat_scope), TurnView)
    return TurnOut.model_validate(found.model_dump())


@router.delete(
    "/chat/turns/{turn_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=responses(NotAuthenticated, NotFound),
)
async def stop(turn_id: Id, caller: CallerDep) -> None:
    """End an answer where it is. What was said is kept; an answer that has ended stays as it is."""
    turn = await caller.ask(GetTurn(turn_id=turn_id, scope=caller.chat_scope), TurnView)
    if turn.status == "open":
        await caller.order(StopTurn(chat_id=turn.chat_id, turn_id=turn.turn_id))


@router.get("/citations/{citation_id}", responses=responses(NotAuthenticated, NotFound))
async def citation(citation_id: Id, caller: CallerDep) -> CitationTextOut:
    """The passage a citation points to, in exactly the revision it was quoted from."""
    question = GetCitation(citation_id=citation_id, scope=caller.chat_scope)
    found = await caller.ask(question, CitationText)
    return CitationTextOut.model_validate(found.model_dump())


async def question(
    caller: Caller,
    bot_id: str,
    text: str,
    chat_id: str | None,
    before: Sequence[Said] = (),
    *,
    draft: Mapping[str, Any] | None = None,
    replays: Replay | None = None,
) -> AskQuestion:
    """The command that asks a bot, in a new chat or in one that exists; counted for who asks.

    Raises `NotFound` for a bot that is not the caller's, and `QuotaExceeded`.
    """
    turn_id = caller.metadata.message_id
    scope = caller.chat_scope
    if not caller.may_see_bot(bot_id):
        raise NotFound("Bot profile not found or inactive")
    await caller.gateway.quotas.question(caller.principal, caller.address)
    return AskQuestion(
        chat_id=derived_id("chat", caller.tenant_id, turn_id) if chat_id is None else chat_id,
        turn_id=turn_id,
        bot_profile_id=bot_id,
        new_chat=chat_id is None,
        question=text,
        before=() if chat_id is not None else tuple(before),
        visitor_id=scope.visitor_id if scope else None,
        token_id=scope.token_id if scope else None,
        draft=draft,
        replays=replays,
    )


async def answered(caller: Caller, command: AskQuestion) -> ChatOut:
    """Ask, and wait for the whole answer. Raises what `Caller.order` and `ended` raise."""
    await caller.order(command)
    return await outcome(caller, command.turn_id)


async def outcome(caller: Caller, turn_id: str) -> ChatOut:
    """Wait until a turn has ended. Raises what `ended` raises."""
    async with aclosing(relay.frames(caller, turn_id, 0)) as frames:
        async for frame in frames:
            if frame is not None and frame.terminal:
                break
    question = GetTurn(turn_id=turn_id, scope=caller.chat_scope)
    return ended(await caller.ask(question, TurnView))


def stream(
    caller: Caller,
    turn_id: str,
    after: int,
    first: bytes,
    *,
    begun: bool = False,
    told: Callable[[Frame], Mapping[str, Any]] | None = None,
) -> Streamed:
    """`first`, and the frames of a turn as they come. `told` gives the data of a frame; without
    it, as it is.
    """

    async def body() -> AsyncGenerator[bytes, None]:
        if first:
            yield first
        quiet = 0
        whole = relay.frames(caller, turn_id, after, begun=begun)
        async with aclosing(whole), aclosing(paced(whole)) as frames:
            async for frame in frames:
                if frame is not None:
                    quiet = 0
                    data = frame.data if told is None else told(frame)
                    yield sse.encode(frame.event, data, frame.i)
                    continue
                quiet += 1
                if quiet % HEARTBEAT_EVERY == 0:
                    yield sse.encode("heartbeat", {})

    allowed = caller.while_allowed(body(), _refused)
    return Streamed(allowed)


def _in_old_words(frame: Frame) -> Mapping[str, Any]:
    """The original's widget shows a failure of a stream if it has this text, and passes all others
    over: its reader would wait for ever.
    """
    if frame.event != "error":
        return frame.data
    return {**frame.data, "detail": OLD_FAILURE, "reason": frame.data.get("detail")}


def _refused(gone: Gone) -> bytes:
    """Without a number: behind the last frame the stream goes on for a credential that is good."""
    return sse.encode("error", {"detail": gone.detail, "code": gone.code, "retryable": False})


def ended(turn: TurnView) -> ChatOut:
    """The JSON answer of an ended turn. Raises the problem of a failed one."""
    if turn.status == "failed":
        headers = {} if turn.retry_after is None else {"Retry-After": str(round(turn.retry_after))}
        raise ProblemError(
            turn.error_status or status.HTTP_502_BAD_GATEWAY,
            turn.error or "llm-failed",
            turn.detail or "The language model failed.",
            headers,
        )
    if turn.message is None or turn.usage is None:
        raise ProblemError(status.HTTP_504_GATEWAY_TIMEOUT, "timeout", "The answer takes too long.")
    return ChatOut(
        turn_id=turn.turn_id,
        chat_id=turn.chat_id,
        message=MessageOut.model_validate(turn.message.model_dump()),
        sources=[SourceHitOut.model_validate(hit.model_dump()) for hit in turn.sources],
        citations=[CitationOut.model_validate(c.model_dump()) for c in turn.citations],
        usage=UsageOut.model_validate(relay.usage_of(turn)),
        grounded=turn.grounded,
        support=turn.support,
        stopped=turn.stopped,
        bot_version=turn.bot_version,
    )
