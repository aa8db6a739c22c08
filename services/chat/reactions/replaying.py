"""A turn that replays a past one: what was said before it then, and what it was given."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from services.chat.domain.chats import ErasedChat
from services.chat.ports import Found
from shared.contracts.base import Command, Done, Metadata, Recorded
from shared.contracts.chat import EraseChat, QuestionAsked
from shared.contracts.chat_replay import Replay

Execute = Callable[[Command, Metadata, str], Awaitable[Done]]
Current = Callable[[str, str, str], Awaitable[Any]]


class PastTurns(Protocol):
    async def past(self, tenant_id: str, replay: Replay) -> list[tuple[str, str]]:
        """Role and text of what was said before the question. Raise `NotFound`."""
        ...

    async def given(self, tenant_id: str, turn_id: str, meta: Metadata) -> Sequence[Found]:
        """The passages that a turn was given, in its order. Raise `NotFound`."""
        ...


@dataclass(frozen=True)
class Replays:
    """What a replay takes from the turn that it replays."""

    execute: Execute
    current: Current
    turns: PastTurns

    async def end_with_its_origin(self, recorded: Recorded[QuestionAsked]) -> None:
        """Erase a chat that replays one which was erased just before it was asked: whoever erased
        that one did not see this one.
        """
        event = recorded.event
        if event.replays is None:
            return
        origin = await self.current("chat", recorded.tenant_id, event.replays.chat_id)
        if isinstance(origin, ErasedChat):
            erase = EraseChat(chat_id=event.chat_id, erasure_id=origin.erasure_id)
            await self.execute(erase, recorded.metadata, "erase with what it replays")

    async def past(self, recorded: Recorded[QuestionAsked]) -> list[tuple[str, str]] | None:
        """Role and text of what was said before the question; None: it replays nothing."""
        replays = recorded.event.replays
        return None if replays is None else await self.turns.past(recorded.tenant_id, replays)

    async def given(self, recorded: Recorded[QuestionAsked]) -> Sequence[Found] | None:
        """The passages to answer from; None: those that are found."""
        replays = recorded.event.replays
        if replays is None or replays.passages == "today":
            return None
        return await self.turns.given(recorded.tenant_id, replays.turn_id, recorded.metadata)
