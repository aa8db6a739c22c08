"""/v1/openai: every bot as a model, for clients of OpenAI's chat completions.

Shapes after https://platform.openai.com/docs/api-reference/chat. What they have no place for
stands beside it: citations, whether the answer is grounded, the ids of chat and turn.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from services.gateway.http import lists, relay
from services.gateway.http.chat import CitationOut, outcome, question
from services.gateway.http.context import Caller, CallerDep, Id, Text
from services.gateway.http.pace import paced
from services.gateway.http.streaming import Streamed
from shared.contracts.chat import (
    AskQuestion,
    BotProfileView,
    BotProfileViews,
    ListBotProfiles,
    Said,
)
from shared.contracts.chat_frames import Frame
from shared.contracts.chat_retrieval import FindBotProfile
from shared.kernel.errors import InvalidCommand, NotAuthenticated, NotFound
from shared.web.problem import ProblemError, described, responses

router = APIRouter(prefix="/v1/openai", tags=["openai-compatible"])

LONGEST = 32_000
BEFORE = 20
"""Messages before the question that are passed on: what a prompt holds of a conversation."""
HEARTBEAT = b": waiting\n\n"


class Part(BaseModel):
    type: str
    text: Text = ""


class MessageIn(BaseModel):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Annotated[Text, Field(max_length=LONGEST)] | list[Part] | None = None

    @property
    def text(self) -> str:
        """Raise `InvalidCommand` for what is no text."""
        if isinstance(self.content, list):
            if any(part.type not in ("text", "input_text") for part in self.content):
                raise InvalidCommand("only text can be asked", field="messages")
            return "\n".join(part.text for part in self.content)
        return self.content or ""


class StreamOptions(BaseModel):
    include_usage: bool = False


class CompletionIn(BaseModel):
    """Other parameters are taken and have no effect: a bot has its own settings."""

    model_config = ConfigDict(extra="ignore")

    model: Text
    """Id or name of a bot."""
    messages: Annotated[list[MessageIn], Field(min_length=1, max_length=2000)]
    stream: bool = False
    stream_options: StreamOptions | None = None
    n: Annotated[int, Field(ge=1, le=1)] | None = None
    tools: Annotated[list[Any], Field(max_length=0)] | None = None
    chat_id: Id | None = None
    """Of MiniRAG: go on with a chat that is stored here; earlier messages are then not needed."""


class ModelOut(BaseModel):
    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str
    name: str


class ModelsOut(BaseModel):
    object: Literal["list"] = "list"
    data: list[ModelOut]


@router.get("/models", responses=responses(NotAuthenticated))
async def models(caller: CallerDep) -> ModelsOut:
    """The active bots that the caller may ask."""
    found = []
    async with aclosing(lists.pages(caller, ListBotProfiles(), BotProfileViews)) as pages:
        async for page in pages:
            mine = [bot for bot in page.items if bot.is_active and caller.may_see_bot(bot.id)]
            found += [_model(bot) for bot in mine]
    return ModelsOut(data=found)


@router.get("/models/{model}", responses=responses(NotAuthenticated, NotFound))
async def model(model: str, caller: CallerDep) -> ModelOut:
    """One bot, by id or name."""
    return _model(await _bot(caller, model))


@router.post(
    "/chat/completions",
    response_model=None,
    responses={
        **responses(NotAuthenticated, NotFound, InvalidCommand),
        402: described("A budget with a hard stop is used up; no model was asked."),
        502: described("The language model failed; the question stays stored."),
    },
)
async def complete(body: CompletionIn, caller: CallerDep) -> Response:
    """Ask a bot with the last message; the messages before it are the conversation.

    System messages are passed over, for a bot has its own instructions.
    """
    said = [message for message in body.messages if message.role in ("user", "assistant")]
    if not said or said[-1].role != "user" or not said[-1].text.strip():
        raise InvalidCommand("the last message has to be a user's question", field="messages")
    if len(said[-1].text) > LONGEST:
        raise InvalidCommand(f"a question has at most {LONGEST} characters", field="messages")
    bot = await _bot(caller, body.model)
    command = await question(caller, bot.id, said[-1].text, body.chat_id, _before(said[:-1]))
    turn_id = command.turn_id
    await caller.order(command)
    about = {
        "id": f"chatcmpl-{turn_id}",
        "created": int(caller.metadata.now.timestamp()),
        "model": body.model,
    }
    if body.stream:
        usage = body.stream_options is not None and body.stream_options.include_usage
        chunks = _chunks(caller, command, about, usage=usage)
        stream = caller.while_allowed(chunks, lambda gone: _error(gone.code, gone.detail))
        return Streamed(stream)
    try:
        answer = await outcome(caller, turn_id)
    except ProblemError as error:
        told = {"error": _fault(error.code, error.detail)}
        raise ProblemError(
            error.status, error.code, error.detail, error.headers, extra=told
        ) from error
    message = {"role": "assistant", "content": answer.message.content}
    whole = {
        **about,
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": answer.usage.model_dump(),
        "chat_id": answer.chat_id,
        "turn_id": turn_id,
        "grounded": answer.grounded,
        "citations": [citation.model_dump() for citation in answer.citations],
    }
    return Response(orjson.dumps(whole), media_type="application/json")


async def _bot(caller: Caller, name: str) -> BotProfileView:
    """Raise `NotFound` if the caller may not see an active bot of that id or name."""
    bot = await caller.ask(FindBotProfile(bot=name), BotProfileView)
    if not caller.may_see_bot(bot.id):
        raise NotFound("Bot profile not found or inactive")
    return bot


async def _chunks(
    caller: Caller, command: AskQuestion, about: dict[str, Any], *, usage: bool
) -> AsyncGenerator[bytes, None]:
    """The answer as chunks. What was told cannot be taken back in this form: an answer that begins
    anew ends with an error.
    """
    told = False

    def chunk(delta: dict[str, Any], finish: str | None = None, **besides: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return _data({**about, "object": "chat.completion.chunk", "choices": [choice], **besides})

    ids = {"chat_id": command.chat_id, "turn_id": command.turn_id}
    yield chunk({"role": "assistant", "content": ""}, **ids)
    whole = relay.frames(caller, command.turn_id, 0)
    async with aclosing(whole), aclosing(paced(whole)) as frames:
        async for frame in frames:
            match frame:
                case None:
                    yield HEARTBEAT
                case Frame(event="citations", data=data):
                    cited = [CitationOut.model_validate(item) for item in data["items"]]
                    yield chunk({}, citations=[citation.model_dump() for citation in cited])
                case Frame(event="delta", data=data):
                    told = True
                    yield chunk({"content": data["content"]})
                case Frame(event="reset") if told:
                    yield _error("restarted", "The answer begins anew; ask again.")
                    return
                case Frame(event="error", data=data):
                    yield _error(str(data["code"]), str(data["detail"]))
                    return
                case Frame(event="done", data=data):
                    yield chunk({}, "stop", grounded=data["grounded"])
                    if usage:
                        last = {"object": "chat.completion.chunk", "choices": []}
                        yield _data({**about, **last, "usage": data["usage"]})
                case _:
                    pass
    yield b"data: [DONE]\n\n"


def _before(messages: list[MessageIn]) -> tuple[Said, ...]:
    said = [(message.role, message.text) for message in messages[-BEFORE:]]
    return tuple(
        Said(role="assistant" if role == "assistant" else "user", content=text)
        for role, text in said
        if text.strip()
    )


def _data(body: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(body) + b"\n\n"


def _error(code: str, detail: str) -> bytes:
    return _data({"error": _fault(code, detail)})


def _fault(code: str, detail: str) -> dict[str, str]:
    """An error as OpenAI's clients read it."""
    kind = "insufficient_quota" if code == "budget-exceeded" else "server_error"
    return {"message": detail, "type": kind, "code": code}


def _model(bot: BotProfileView) -> ModelOut:
    created = int(bot.created_at.timestamp())
    return ModelOut(id=bot.id, created=created, owned_by=bot.tenant_id, name=bot.name)
