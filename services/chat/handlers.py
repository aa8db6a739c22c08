"""What a command of chat depends on outside its own aggregate's state."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, Protocol

from services.chat.domain.bots import Bot, check_embedder
from services.chat.domain.chats import Chat
from services.chat.domain.overrides import overridden
from shared.contracts.base import Metadata, Recorded
from shared.contracts.chat import (
    AskQuestion,
    CreateBotProfile,
    MessageView,
    QuestionAnswered,
    SetFeedback,
    UpdateBotProfile,
)
from shared.contracts.chat_history import GetMessage
from shared.contracts.chat_playground import CreateSuite, StartRun
from shared.kernel.errors import InvalidCommand, NotFound, QuotaExceeded

RUNS_AT_ONCE = 2
"""Of a tenant."""

Current = Callable[[str, str, str], Awaitable[Any]]
CurrentBot = Callable[[str, str], Awaitable[Any]]
CountRunning = Callable[[str], Awaitable[int]]
FindMessage = Callable[[GetMessage, Metadata], Awaitable[MessageView]]


class Proofs(Protocol):
    async def check_publication(self, command: UpdateBotProfile, meta: Metadata) -> None: ...

    async def check_gate(self, bot_profile_id: str, suite_id: str, meta: Metadata) -> None: ...


class CheckBot:
    """Refuses an embedding model of the product's own that this installation does not have, a gate
    that is no suite of the bot, and what a run was to prove and does not.
    """

    def __init__(self, missing: Collection[str], proofs: Proofs) -> None:
        self._missing = missing
        self._proofs = proofs

    async def __call__(self, command: Any, meta: Metadata) -> None:
        """Raise `InvalidCommand`, `NotFound` or `Conflict`."""
        match command:
            case CreateBotProfile(settings=settings):
                wanted = settings.embedding_model
            case UpdateBotProfile(changes=changes):
                await self._proofs.check_publication(command, meta)
                if (gate := changes.get("gate_suite_id")) is not None:
                    await self._proofs.check_gate(command.bot_profile_id, gate, meta)
                wanted = changes.get("embedding_model")
            case _:
                return
        check_embedder(wanted, self._missing)


class CheckChat:
    """Refuses a question to a bot that is not there, one of a chat that is gone, and an opinion
    about what is no answer.

    A chat's state does not hold its messages, for they are many; what was said stands in the rows,
    which the answer's own command wrote before anybody could know the message's id.
    """

    def __init__(self, current: Current, bot: CurrentBot, find_message: FindMessage) -> None:
        self._current = current
        self._bot = bot
        self._find_message = find_message

    async def __call__(self, command: Any, meta: Metadata) -> None:
        """Raise `NotFound` or `InvalidCommand`, in the words of the contract."""
        match command:
            case AskQuestion(bot_profile_id=bot_id, draft=draft, replays=replays):
                bot = await self._bot(meta.tenant_id, bot_id)
                if not isinstance(bot, Bot) or not bot.settings.is_active:
                    raise NotFound("Bot profile not found or inactive")
                overridden(bot.settings, draft or {})
                if replays is not None:
                    chat = await self._current("chat", meta.tenant_id, replays.chat_id)
                    if not isinstance(chat, Chat) or chat.bot_profile_id != bot_id:
                        raise NotFound("Turn not found")
            case SetFeedback(chat_id=chat_id, message_id=message_id):
                question = GetMessage(chat_id=chat_id, message_id=message_id)
                message = await self._find_message(question, meta)
                if message.role != "assistant":
                    raise InvalidCommand("Feedback can only be set on assistant messages")
            case _:
                pass


class CheckPlayground:
    """Refuses a suite for a bot that is not there, and a run beside too many others."""

    def __init__(self, current: Current, running: CountRunning) -> None:
        self._current = current
        self._running = running

    async def __call__(self, command: Any, meta: Metadata) -> None:
        """Raise `NotFound` or `QuotaExceeded`."""
        match command:
            case CreateSuite(bot_profile_id=bot_id):
                bot = await self._current("bot_profile", meta.tenant_id, bot_id)
                if not isinstance(bot, Bot):
                    raise NotFound("Bot profile not found")
            case StartRun():
                if await self._running(meta.tenant_id) >= RUNS_AT_ONCE:
                    raise QuotaExceeded(
                        f"{RUNS_AT_ONCE} runs are under way: wait for one, or cancel it"
                    )
            case _:
                pass


def answer_made(stored: Sequence[Recorded[Any]]) -> Mapping[str, str] | None:
    """Of a decision that ended a turn with an answer: its message."""
    event = stored[-1].event
    return {"message_id": event.message_id} if isinstance(event, QuestionAnswered) else None
