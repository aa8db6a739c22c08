"""/v1/chat/turns/{turn_id}/replay: a past turn, asked once more with a draft of the bot."""

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel

from services.gateway.http.chat import (
    EVENTS,
    ChatOut,
    CitationOut,
    UsageOut,
    outcome,
    question,
    stream,
)
from services.gateway.http.context import AdminDep, Id, Timestamp
from services.gateway.http.drafts import BotDraftIn, draft_of
from services.gateway.http.relay import usage_of
from shared.contracts.chat_history import GetReplayed, ReplayedTurn
from shared.contracts.chat_replay import Passages, Replay
from shared.kernel.errors import (
    Conflict,
    InvalidCommand,
    NotAuthenticated,
    NotFound,
    NotPermitted,
)
from shared.web import sse
from shared.web.problem import described, responses

router = APIRouter(prefix="/v1", tags=["chat"])


class TurnReplayIn(BaseModel):
    draft: BotDraftIn = BotDraftIn()
    """Settings for this answer alone; what is left out is as the bot has it."""
    passages: Passages = "today"
    """What to answer from: what is found now, or `then`, what the turn was given when it was
    answered, whatever became of its sources.
    """
    stream: bool = False


class FormerOut(BaseModel):
    """How the turn went when it was asked."""

    turn_id: str
    chat_id: str
    status: Literal["answered", "refused", "failed"]
    question: str
    answer: str | None
    """Null for a turn that failed."""
    bot_version: int | None
    """Of the bot's settings that gave it; null: a draft did."""
    grounded: bool
    reason: str | None
    """Why it was refused."""
    error: str | None
    """Why it failed."""
    citations: list[CitationOut]
    usage: UsageOut | None
    answered_at: Timestamp | None


class TurnReplayOut(ChatOut):
    """The answer of the draft, and beside it that of the past turn."""

    former: FormerOut


@router.post(
    "/chat/turns/{turn_id}/replay",
    response_model=TurnReplayOut,
    responses={
        **responses(NotAuthenticated, NotPermitted, NotFound, Conflict, InvalidCommand),
        200: EVENTS,
        402: described("A budget with a hard stop is used up; no model was asked."),
        502: described("The language model failed; the question stays stored."),
        504: described("The language model took too long; the question stays stored."),
    },
)
async def replay(turn_id: Id, body: TurnReplayIn, caller: AdminDep) -> Any:
    """Ask what was asked in a past turn once more, after what was said before it, with other
    settings. The answer is a draft in a chat of its own: the visitor's chat stays as it is, and
    takes this one along when it is erased. With `stream: true` the first event, `turn`, holds the
    former answer.
    """
    draft = draft_of(body.draft, caller)
    found = await caller.ask(GetReplayed(turn_id=turn_id, passages=body.passages), ReplayedTurn)
    former = _former(found)
    replays = Replay(chat_id=found.turn.chat_id, turn_id=turn_id, passages=body.passages)
    command = await question(
        caller, found.bot_profile_id, found.question, None, draft=draft, replays=replays
    )
    await caller.order(command)
    if body.stream:
        told = {
            "turn_id": command.turn_id,
            "chat_id": command.chat_id,
            "former": former.model_dump(mode="json"),
        }
        return stream(caller, command.turn_id, 0, sse.encode("turn", told, 0))
    answer = await outcome(caller, command.turn_id)
    return TurnReplayOut(**answer.model_dump(), former=former)


def _former(found: ReplayedTurn) -> FormerOut:
    turn = found.turn
    told = turn.model_dump() | {
        "question": found.question,
        "answer": None if turn.message is None else turn.message.content,
        "citations": [citation.model_dump() for citation in turn.citations],
        "usage": None if turn.usage is None else usage_of(turn),
        "answered_at": None if turn.message is None else turn.message.created_at,
    }
    return FormerOut.model_validate(told)
