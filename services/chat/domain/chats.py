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
    ChatErased,
    ChatEvent,
    EraseChat,
    Feedback,
    FeedbackCleared,
    FeedbackGiven,
    QuestionAnswered,
    QuestionAsked,
    QuestionRefused,
    RecordAnswer,
    RecordFailedTurn,
    RecordRefusal,
    SetFeedback,
    StopTurn,
    TurnFailed,
    TurnStopRequested,
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
    stopping: Mapping[str, None] = Field(default_factory=dict)
    """Those of them that somebody wants to end where they are."""
    drafts: Mapping[str, None] = Field(default_factory=dict)
    """Those of them that try unsaved settings of the bot."""
    feedback: Mapping[str, Feedback] = Field(default_factory=dict)
    """What is thought of answers now, by message id; answers without an opinion are left out."""
    visitor_id: str | None = None
    token_id: str | None = None
    """Who began it, if that was somebody bound to the bot."""


class ErasedChat(Message):
    """Nothing comes after it."""

    kind: Literal["erased"] = "erased"
    erasure_id: str = ""


ChatState = NoChat | Chat | ErasedChat


def decide(chat: ChatState, command: ChatCommand, _meta: Metadata) -> Sequence[ChatEvent]:
    """What `command` does to `chat`. Raises `NotFound` or `Conflict`."""
    match command:
        case AskQuestion():
            return _ask(chat, command)
        case RecordAnswer():
            if not isinstance(chat, Chat) or not is_open(chat, command.turn_id):
                return []
            return [
                QuestionAnswered(
                    chat_id=command.chat_id,
                    turn_id=command.turn_id,
                    bot_profile_id=chat.bot_profile_id,
                    message_id=derived_id("message", command.turn_id, "assistant"),
                    answer=command.answer,
                    grounded=command.grounded,
                    support=command.support,
                    stopped=command.stopped,
                    bot_version=command.bot_version,
                    leaked=command.leaked,
                    draft=command.turn_id in chat.drafts,
                    citations=command.citations,
                    usage=command.usage,
                    timings=command.timings,
                )
            ]
        case StopTurn(chat_id=chat_id, turn_id=turn_id):
            if not is_open(chat, turn_id) or is_stopping(chat, turn_id):
                return []
            return [TurnStopRequested(chat_id=chat_id, turn_id=turn_id)]
        case RecordRefusal():
            if not isinstance(chat, Chat) or not is_open(chat, command.turn_id):
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
                    bot_version=command.bot_version,
                    usage=command.usage,
                    timings=command.timings,
                    draft=command.turn_id in chat.drafts,
                )
            ]
        case RecordFailedTurn():
            if not isinstance(chat, Chat) or not is_open(chat, command.turn_id):
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
        case SetFeedback():
            return _set_feedback(chat, command)
        case EraseChat(chat_id=chat_id, erasure_id=erasure_id):
            if isinstance(chat, NoChat):
                raise NotFound("Chat session not found")
            if isinstance(chat, ErasedChat):
                return []
            turns = tuple(chat.open_turns)
            return [ChatErased(chat_id=chat_id, erasure_id=erasure_id, open_turns=turns)]


def is_open(chat: ChatState, turn_id: str) -> bool:
    """Whether the turn still waits for its end."""
    return isinstance(chat, Chat) and turn_id in chat.open_turns


def is_stopping(chat: ChatState, turn_id: str) -> bool:
    """Whether the turn is to end where it is."""
    return isinstance(chat, Chat) and turn_id in chat.stopping


def _ask(chat: ChatState, command: AskQuestion) -> Sequence[ChatEvent]:
    if is_open(chat, command.turn_id):
        return []  # the same order twice is one order
    if isinstance(chat, Chat):
        if command.new_chat:
            raise Conflict("A chat with this id exists already")
        if chat.bot_profile_id != command.bot_profile_id or not _may_go_on(chat, command):
            raise NotFound("Chat session not found")
    elif isinstance(chat, ErasedChat) or not command.new_chat:
        raise NotFound("Chat session not found")
    return [
        QuestionAsked(
            chat_id=command.chat_id,
            turn_id=command.turn_id,
            bot_profile_id=command.bot_profile_id,
            message_id=derived_id("message", command.turn_id, "user"),
            first=isinstance(chat, NoChat),
            question=command.question,
            before=command.before,
            visitor_id=command.visitor_id,
            token_id=command.token_id,
            draft=command.draft,
            replays=command.replays,
        )
    ]


def _may_go_on(chat: Chat, command: AskQuestion) -> bool:
    """Whoever is bound to the bot goes on with its own chats, everybody else with any."""
    asking = (command.visitor_id, command.token_id)
    return asking in ((None, None), (chat.visitor_id, chat.token_id))


def _set_feedback(chat: ChatState, command: SetFeedback) -> Sequence[ChatEvent]:
    """That the message is an answer of this chat was checked against what was said."""
    if not isinstance(chat, Chat):
        raise NotFound("Message not found")
    previous = chat.feedback.get(command.message_id)
    if command.feedback == previous:
        return []
    if command.feedback is not None:
        return [
            FeedbackGiven(
                chat_id=command.chat_id,
                bot_profile_id=chat.bot_profile_id,
                message_id=command.message_id,
                feedback=command.feedback,
                previous=previous,
            )
        ]
    assert previous is not None  # noqa: S101  it differs from the None that is wanted
    return [
        FeedbackCleared(
            chat_id=command.chat_id,
            bot_profile_id=chat.bot_profile_id,
            message_id=command.message_id,
            previous=previous,
        )
    ]


def evolve(chat: ChatState, event: ChatEvent) -> ChatState:
    """What `event` makes of `chat`. Never raises."""
    if isinstance(chat, ErasedChat):
        return chat
    if isinstance(event, QuestionAsked):
        if isinstance(chat, NoChat):
            chat = Chat(
                bot_profile_id=event.bot_profile_id,
                visitor_id=event.visitor_id,
                token_id=event.token_id,
            )
        drafts = chat.drafts if event.draft is None else {**chat.drafts, event.turn_id: None}
        turns = {**chat.open_turns, event.turn_id: None}
        return chat.model_copy(update={"open_turns": turns, "drafts": drafts})
    if isinstance(chat, NoChat):
        return chat
    match event:
        case QuestionAnswered() | QuestionRefused() | TurnFailed():
            others = {
                name: {turn: None for turn in turns if turn != event.turn_id}
                for name, turns in (
                    ("open_turns", chat.open_turns),
                    ("stopping", chat.stopping),
                    ("drafts", chat.drafts),
                )
            }
            return chat.model_copy(update=others)
        case TurnStopRequested(turn_id=turn_id):
            return chat.model_copy(update={"stopping": {**chat.stopping, turn_id: None}})
        case FeedbackGiven(message_id=message_id, feedback=feedback):
            return chat.model_copy(update={"feedback": {**chat.feedback, message_id: feedback}})
        case FeedbackCleared(message_id=message_id):
            kept = {one: value for one, value in chat.feedback.items() if one != message_id}
            return chat.model_copy(update={"feedback": kept})
        case ChatErased(erasure_id=erasure_id):
            return ErasedChat(erasure_id=erasure_id)


chat_decider: Decider[ChatState, ChatCommand, ChatEvent] = Decider(
    aggregate="chat",
    initial=NoChat(),
    state=TypeAdapter(Annotated[ChatState, Field(discriminator="kind")]),
    decide=decide,
    evolve=evolve,
)
