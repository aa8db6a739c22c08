"""Hand-written stand-ins for what an answer needs from the world."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from typing_extensions import override

from services.chat.domain.bots import Published
from services.chat.domain.chats import ChatState, chat_decider
from services.chat.domain.prompt import Turn
from services.chat.handlers import answer_made
from services.chat.ports import (
    Assistant,
    BotReader,
    ChatReader,
    Checked,
    Found,
    Frames,
    LanguageModel,
    Prompt,
    Query,
    Retrieval,
    Retriever,
    Reworded,
    Spent,
    Stops,
    Text,
)
from services.chat.reactions.replaying import PastTurns
from shared.contracts.base import Command, Done, Metadata
from shared.contracts.chat import (
    BotSettings,
    ChatEvent,
    GetTurn,
    MessageView,
    QuestionAnswered,
    QuestionRefused,
    TurnFailed,
    TurnView,
)
from shared.contracts.chat_frames import Frame
from shared.contracts.chat_replay import Replay
from tests.unit.samples import T0, recorded


class Killed(Exception):
    """The process was killed here."""


@dataclass
class KeptFrames(Frames):
    """Frames as the stream keeps them, over all attempts."""

    kept: list[Frame] = field(default_factory=list)

    @override
    async def publish(self, tenant_id: str, turn_id: str, frame: Frame) -> None:
        self.kept.append(frame)

    @override
    async def stored(self, tenant_id: str, turn_id: str, after: int = 0) -> list[Frame]:
        return [frame for frame in self.kept if frame.i > after]

    @property
    def names(self) -> list[str]:
        return [frame.event for frame in self.kept]

    @property
    def shown(self) -> str:
        """What a client has on its screen in the end."""
        text = ""
        for frame in self.kept:
            if frame.event == "reset":
                text = ""
            elif frame.event == "delta":
                text += frame.data["content"]
        return text

    def data(self, name: str) -> Any:
        return next(frame.data for frame in self.kept if frame.event == name)


class NoPast(PastTurns):
    """Nothing is replayed."""

    @override
    async def past(self, tenant_id: str, replay: Replay) -> list[tuple[str, str]]:
        raise AssertionError(replay)

    @override
    async def given(self, tenant_id: str, turn_id: str, meta: Metadata) -> Sequence[Found]:
        raise AssertionError(turn_id)


@dataclass
class Conversation(ChatReader):
    """One chat, decided and evolved for real, and read back as its rows would show it."""

    log: list[ChatEvent]
    past: list[tuple[str, str]] = field(default_factory=list)
    ordered: list[str] = field(default_factory=list)
    dies_after: str | None = None
    """The purpose after whose event the process is killed."""

    async def current(self, aggregate: str, _tenant: str, _id: str) -> ChatState:
        assert aggregate == "chat"
        return chat_decider.fold(self.log)

    async def newest(self, _tenant: str, aggregate: str, _id: str) -> int:
        assert aggregate == "chat"
        return len(self.log)

    async def execute(self, command: Command, meta: Metadata, purpose: str) -> Done:
        self.ordered.append(purpose)
        before = len(self.log)
        self.log += chat_decider.decide(chat_decider.fold(self.log), command, meta)  # type: ignore[arg-type]  # of a chat
        if purpose == self.dies_after:
            self.dies_after = None
            raise Killed
        stored = [recorded(event) for event in self.log[before:]]
        return Done(position=len(self.log), made=answer_made(stored) if stored else None)

    @override
    async def get_turn(self, question: GetTurn, meta: Metadata) -> TurnView:
        end = self.log[-1]
        about: dict[str, Any] = {"turn_id": question.turn_id, "chat_id": end.chat_id}
        match end:
            case TurnFailed():
                return TurnView(
                    **about,
                    status="failed",
                    error=end.error,
                    detail=end.detail,
                    retryable=end.retryable,
                )
            case QuestionAnswered() | QuestionRefused():
                message = MessageView(
                    id=end.message_id,
                    chat_id=end.chat_id,
                    role="assistant",
                    content=end.answer,
                    prompt_tokens=end.usage.prompt_tokens,
                    completion_tokens=end.usage.completion_tokens,
                    created_at=T0,
                )
                cited = end.citations if isinstance(end, QuestionAnswered) else ()
                return TurnView(
                    **about,
                    status="answered" if isinstance(end, QuestionAnswered) else "refused",
                    message=message,
                    citations=cited,
                    usage=end.usage,
                    grounded=isinstance(end, QuestionAnswered) and end.grounded,
                    stopped=isinstance(end, QuestionAnswered) and end.stopped,
                )
            case _:
                return TurnView(**about, status="open")

    @override
    async def history(
        self, tenant_id: str, chat_id: str, turn_id: str, limit: int
    ) -> list[tuple[str, str]]:
        return self.past[-limit:]


@dataclass
class Signals(Stops):
    """Stops that are heard by whoever listens in the same process."""

    listening: dict[str, asyncio.Event] = field(default_factory=dict)

    @override
    async def tell(self, tenant_id: str, turn_id: str) -> None:
        if turn_id in self.listening:
            self.listening[turn_id].set()

    @override
    @asynccontextmanager
    async def heard(self, tenant_id: str, turn_id: str) -> AsyncIterator[asyncio.Event]:
        self.listening[turn_id] = asyncio.Event()
        yield self.listening[turn_id]
        del self.listening[turn_id]


@dataclass
class OneBot(BotReader):
    bot: BotSettings

    @override
    async def settings(self, tenant_id: str, bot_profile_id: str) -> Published:
        return Published(**self.bot.model_dump(), version=7)


@dataclass
class GivenChunks(Retriever):
    chunks: Sequence[Found]
    error: Exception | None = None
    spoken: frozenset[str] = frozenset()
    queries: list[Query] = field(default_factory=list)

    @override
    async def retrieve(self, tenant_id: str, bot_profile_id: str, query: Query) -> Retrieval:
        self.queries.append(query)
        if self.error is not None:
            raise self.error
        return Retrieval(self.chunks)

    @override
    async def languages(self, tenant_id: str, bot_profile_id: str) -> frozenset[str]:
        return self.spoken


class NoAssistant(Assistant):
    """As for a bot without a model."""

    @override
    async def reword(
        self, prompt: Prompt, before: Sequence[Turn], languages: Collection[str]
    ) -> Reworded | None:
        return None

    @override
    async def check(self, prompt: Prompt, answer: str) -> Checked | None:
        return None


@dataclass
class Translator(NoAssistant):
    """Puts every question in the same words, and counts."""

    translation: str
    asked: int = 0

    @override
    async def reword(
        self, prompt: Prompt, before: Sequence[Turn], languages: Collection[str]
    ) -> Reworded | None:
        self.asked += 1
        return Reworded(prompt.question, (self.translation,), Spent("m", 7, 1))


class Stop:
    """Here somebody stops the answer."""


Piece = str | Exception | Spent | Stop


async def nobody() -> None:
    """Stops nothing."""


@dataclass
class ScriptedModel(LanguageModel):
    """Says, attempt by attempt, what it is told to; an exception among the pieces is raised."""

    attempts: list[list[Piece]]
    stop: Callable[[], Awaitable[None]] = nobody
    prompts: list[Prompt] = field(default_factory=list)

    @override
    def name(self, prompt: Prompt) -> str:
        return prompt.model

    @override
    async def stream(self, prompt: Prompt) -> AsyncGenerator[Text | Spent, None]:
        self.prompts.append(prompt)
        said = self.attempts.pop(0) if len(self.attempts) > 1 else self.attempts[0]
        for piece in said:
            match piece:
                case str():
                    yield Text(piece)
                case Spent():
                    yield piece
                case Stop():
                    await self.stop()
                    await asyncio.sleep(0)
                case _:
                    raise piece
