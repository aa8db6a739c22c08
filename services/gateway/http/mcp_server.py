"""/v1/mcp: every bot as a tool, over the Model Context Protocol's streamable HTTP.

Stateless: each request stands for itself and any gateway can answer it. What there is to be
listened to beyond an answer is in `/v1/chat`, so there is no stream to open with GET.
"""

import asyncio
import logging
import re
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.types import Receive, Scope, Send
from typing_extensions import override

from services.gateway.http import lists
from services.gateway.http.chat import ChatOut, CitationOut, answered, question
from services.gateway.http.context import Caller, CallerDep, Id, Text
from shared.contracts.chat import BotProfileView, BotProfileViews, ListBotProfiles
from shared.kernel.errors import MiniRagError, NotFound, Refused
from shared.web.problem import ProblemError

router = APIRouter(prefix="/v1", tags=["mcp"])

MANAGER_LOG = logging.getLogger("mcp.server.streamable_http_manager")
"""Tells of every request that it begins and ends."""
NAME_LENGTH = 40
ID_LENGTH = 12
"""Of a bot's id, from its end, where ids differ: enough to tell a tenant's bots apart."""


class Arguments(BaseModel):
    """What a tool takes."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    question: Text = Field(min_length=1, max_length=32_000)
    """What to ask, in any language."""
    chat_id: Id | None = None
    """From an earlier answer, to go on with that conversation."""


class Answer(BaseModel):
    """What a tool gives."""

    answer: str
    grounded: bool
    """Whether it rests on the cited passages; a refusal does not."""
    citations: list[CitationOut]
    chat_id: str


class McpResponse(Response):
    """Lets the protocol's own library answer one request of one caller."""

    def __init__(self, caller: Caller) -> None:
        super().__init__()
        self._caller = caller

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        server = await asyncio.to_thread(_server, self._caller)
        async with server.run():
            await server.handle_request(scope, receive, send)


# The protocol describes itself to its clients, in another way than OpenAPI.
@router.post("/mcp", response_class=Response, include_in_schema=False)
async def mcp(caller: CallerDep) -> Response:
    """A message of the Model Context Protocol. Give clients this address and an API token."""
    return McpResponse(caller)


def _server(caller: Caller) -> Any:
    """A server of the protocol for one request. In a thread: the first import takes its time."""
    from mcp import types  # noqa: PLC0415  half a second and 30 MB, for whoever uses it
    from mcp.server.lowlevel import Server  # noqa: PLC0415  half a second and 30 MB, for whoever uses it
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager  # noqa: PLC0415  half a second and 30 MB, for whoever uses it

    async def list_tools(_context: Any, _params: Any) -> types.ListToolsResult:
        tools = [
            types.Tool(
                name=tool_name(bot),
                title=bot.name,
                description=f"Ask {bot.name}. {bot.description}".strip(),
                input_schema=Arguments.model_json_schema(),
                output_schema=Answer.model_json_schema(),
            )
            for bot in await _bots(caller)
        ]
        return types.ListToolsResult(tools=tools)

    async def call_tool(_context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        try:
            arguments = Arguments.model_validate(params.arguments or {})
            found = await _ask(caller, params.name, arguments)
        except (ValidationError, MiniRagError, ProblemError) as error:
            told = types.TextContent(type="text", text=_words(error))
            return types.CallToolResult(content=[told], is_error=True)
        answer = Answer(
            answer=found.message.content,
            grounded=found.grounded,
            citations=found.citations,
            chat_id=found.chat_id,
        )
        return types.CallToolResult(
            content=[types.TextContent(type="text", text=_readable(answer))],
            structured_content=answer.model_dump(mode="json"),
        )

    MANAGER_LOG.setLevel(logging.WARNING)
    server = Server("minirag", on_list_tools=list_tools, on_call_tool=call_tool)
    return StreamableHTTPSessionManager(server, stateless=True, json_response=True)


def tool_name(bot: BotProfileView) -> str:
    """Readable, and the same for good: a bot is told by its end, whatever it is renamed to."""
    words = re.sub(r"[^a-z0-9]+", "_", bot.name.lower()).strip("_")[:NAME_LENGTH] or "bot"
    return f"ask_{words}_{bot.id[-ID_LENGTH:]}"


async def _bots(caller: Caller) -> list[BotProfileView]:
    found: list[BotProfileView] = []
    async with aclosing(lists.pages(caller, ListBotProfiles(), BotProfileViews)) as pages:
        async for page in pages:
            found += [bot for bot in page.items if bot.is_active and caller.may_see_bot(bot.id)]
    return found


async def _ask(caller: Caller, tool: str, arguments: Arguments) -> ChatOut:
    """Raise what the answer or its absence raises."""
    end = tool.rsplit("_", 1)[-1]
    bot = next((bot for bot in await _bots(caller) if bot.id[-ID_LENGTH:] == end), None)
    if bot is None:
        raise NotFound("Bot profile not found or inactive")
    return await answered(
        caller, await question(caller, bot.id, arguments.question, arguments.chat_id)
    )


def _words(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    return error.detail if isinstance(error, Refused | ProblemError) else "Try again in a moment."


def _readable(answer: Answer) -> str:
    """The answer, and below it where its numbers lead."""
    cited = [one for one in answer.citations if f"[{one.n}]" in answer.answer]
    lines = [f"[{one.n}] {one.title or one.source_id} {one.url or ''}".rstrip() for one in cited]
    return "\n".join([answer.answer, *([""] if lines else []), *lines])
