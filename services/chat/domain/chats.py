"""What may happen to a chat: questions open turns, and each turn ends exactly once.

Several questions of one chat may be open at a time: an impatient visitor, or two tabs.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from shared.contracts.base import Message, Metadata
from shared.contracts.chat import (
    AskQuestion,
    ChatCommand,
    ChatEvent,
    QuestionAnswered,
    QuestionAsked,
    QuestionRefused,
    RecordAnswer,
    RecordFailedTurn,
    RecordRefusal,
    TurnFailed,
)
from shared.kernel.decider import Decider
from shared.kernel.errors import Conflict, NotFound
from shared.kernel.ids import derived_id


class NoChat(Message):
    kind: Literal["absent"] = "absent"


class Chat(Message):
    kind: Literal["present"] = "present"
    bot_profile_id: str
    open_turns: Mapping[str, None] = Field(default_factory=dict)
    """An ordered set of turn ids."""


ChatState = NoChat | Chat


def decide(chat: ChatState, command: ChatCommand, _meta: Metadata) -> Sequence[ChatEvent]:
    """What `command` does to `chat`. Raises `NotFound` or `Conflict`."""
    match command:
        case AskQuestion():
            return _ask(chat, command)
        case RecordAnswer():
            if not is_open(chat, command.turn_id) or isinstance(chat, NoChat):
                return []
            return [
                QuestionAnswered(
                    chat_id=command.chat_id,
                    turn_id=command.turn_id,
                    bot_profile_id=chat.bot_profile_id,
                    message_id=derived_id("message", command.turn_id, "assistant"),
                    answer=command.answer,
                    grounded=command.grounded,
                    citations=command.citations,
                    usage=command.usage,
                    timings=command.timings,
                )
            ]
        case RecordRefusal():
            if not is_open(chat, command.turn_id) or isinstance(chat, NoChat):
                return []
            return [
                QuestionRefused(
                    chat_id=command.chat_id,
                    turn_id=command.turn_id,
                    bot_profile_id=chat.bot_profile_id,
                    message_id=derived_id("message", command.turn_id, "assistant"),
                    answer=command.answer,
                    reason=command.reason,
                    best_score=command.best_score,
                    usage=command.usage,
                    timings=command.timings,
                )
            ]
        case RecordFailedTurn():
            if not is_open(chat, command.turn_id) or isinstance(chat, NoChat):
                return []
            return [
                TurnFailed(
                    chat_id=command.chat_id,
                    turn_id=command.turn_id,
                    bot_profile_id=chat.bot_profile_id,
                    error=command.error,
                    detail=command.detail,
                    retryable=command.retryable,
                    status=command.status,
                    retry_after=command.retry_after,
                )
            ]


def is_open(chat: ChatState, turn_id: str) -> bool:
    """Whether the turn still waits for its end."""
    return isinstance(chat, Chat) and turn_id in chat.open_turns


def _ask(chat: ChatState, command: AskQuestion) -> Sequence[ChatEvent]:
    if is_open(chat, command.turn_id):
        return []  # the same order twice is one order
    if isinstance(chat, Chat):
        if command.new_chat:
            raise Conflict("A chat with this id exists already")
        if chat.bot_profile_id != command.bot_profile_id:
            raise NotFound("Chat session not found")
    elif not command.new_chat:
        raise NotFound("Chat session not found")
    return [
        QuestionAsked(
            chat_id=command.chat_id,
            turn_id=command.turn_id,
            bot_profile_id=command.bot_profile_id,
            message_id=derived_id("message", command.turn_id, "user"),
            first=isinstance(chat, NoChat),
            question=command.question,
        )
    ]


def evolve(chat: ChatState, event: ChatEvent) -> ChatState:
    """What `event` makes of `chat`. Never raises."""
    match event:
        case QuestionAsked():
            turns = dict(chat.open_turns) if isinstance(chat, Chat) else {}
            return Chat(
                bot_profile_id=event.bot_profile_id, open_turns={**turns, event.turn_id: None}
            )
        case QuestionAnswered() | QuestionRefused() | TurnFailed():
            if isinstance(chat, NoChat):
                return chat
            left = {turn: None for turn in chat.open_turns if turn != event.turn_id}
            return chat.model_copy(update={"open_turns": left})


chat_decider: Decider[ChatState, ChatCommand, ChatEvent] = Decider(
    aggregate="chat",
    initial=NoChat(),
    state=TypeAdapter(Annotated[ChatState, Field(discriminator="kind")]),
    decide=decide,
    evolve=evolve,
)
