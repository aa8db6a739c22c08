"""Chats that are ordered to be gone: first their keys, then what they left."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Protocol

from services.chat.ports import Stops
from shared.contracts.base import Command, Done, Metadata, Recorded
from shared.contracts.chat import ChatErased, EraseChat
from shared.contracts.gateway_erasure import ErasureRequested, RecordErasureTold
from shared.kernel.errors import NotFound, Unavailable

SHOWN_SECONDS = 30.0

Execute = Callable[[Command, Metadata, str], Awaitable[Done]]
Order = Callable[[Command, Metadata, str], Awaitable[None]]
Shown = Callable[[int, float], Awaitable[int]]


class Keys(Protocol):
    """Of the vault."""

    async def destroy_key(self, tenant_id: str, subject: str) -> None: ...


class Frames(Protocol):
    """Of streamed answers."""

    async def forget(self, tenant_id: str, turn_id: str) -> None: ...


class ErasedChats(Protocol):
    """Which chats there are to be erased."""

    async def of_visitor(self, tenant_id: str, visitor_id: str) -> Sequence[str]: ...

    async def older(self, tenant_id: str, before: datetime) -> Sequence[str]: ...

    async def replaying(self, tenant_id: str, erasure_id: str) -> Sequence[str]: ...

    async def erased(self, tenant_id: str, erasure_id: str) -> int: ...

    async def turns_of(self, tenant_id: str, chat_id: str) -> Sequence[str]: ...


class DestroyKeyFirst:
    """Before a chat's erasure is a fact, nothing of the chat can be read any more."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    async def __call__(self, command: Any, meta: Metadata) -> None:
        if isinstance(command, EraseChat):
            await self._keys.destroy_key(meta.tenant_id, f"chat/{command.chat_id}")


class EraseChats:
    """Erases the chats that an erasure names, and tells when all of them are facts."""

    def __init__(
        self, execute: Execute, order: Order, chats: ErasedChats, frames: Frames, shown: Shown
    ) -> None:
        self._execute = execute
        self._order = order
        self._chats = chats
        self._frames = frames
        self._shown = shown

    async def __call__(self, recorded: Recorded[ErasureRequested]) -> None:
        """Raise `Unavailable` if it should be tried again."""
        event, tenant_id = recorded.event, recorded.tenant_id
        if event.kind in ("user", "tenant"):
            return  # the gateway tells those
        if await self._shown(recorded.sequence, SHOWN_SECONDS) < recorded.sequence:
            raise Unavailable("chats do not show what was said before the erasure yet")
        if event.kind == "chat":
            position = await self._erase(event.subject_id, recorded)
        else:
            position = await self._erase_all(partial(self._some, recorded), recorded)
        if await self._shown(position, SHOWN_SECONDS) < position:
            raise Unavailable("chats do not show what was replayed of them yet")
        replaying = partial(self._chats.replaying, tenant_id, event.erasure_id)
        await self._erase_all(replaying, recorded)
        counts = {"chats": await self._chats.erased(tenant_id, event.erasure_id)}
        told = RecordErasureTold(erasure_id=event.erasure_id, counts=counts)
        await self._order(told, recorded.metadata, "told")

    async def _some(self, recorded: Recorded[ErasureRequested]) -> Sequence[str]:
        event, tenant_id = recorded.event, recorded.tenant_id
        if event.kind == "retention":
            return await self._chats.older(tenant_id, event.before) if event.before else ()
        return await self._chats.of_visitor(tenant_id, event.subject_id)

    async def _erase_all(
        self,
        some: Callable[[], Awaitable[Sequence[str]]],
        recorded: Recorded[ErasureRequested],
    ) -> int:
        """The highest position of what came of it."""
        position = 0
        while chats := await some():
            for chat_id in chats:
                position = max(position, await self._erase(chat_id, recorded))
        return position

    async def _erase(self, chat_id: str, recorded: Recorded[ErasureRequested]) -> int:
        for turn_id in await self._chats.turns_of(recorded.tenant_id, chat_id):
            await self._frames.forget(recorded.tenant_id, turn_id)
        command = EraseChat(chat_id=chat_id, erasure_id=recorded.event.erasure_id)
        try:
            done = await self._execute(command, recorded.metadata, f"erase {chat_id}")
        except NotFound:
            return 0  # the door looked; what is not there needs no erasure
        return done.position


class EndErased:
    """Ends answers that are being given in a chat that is gone."""

    def __init__(self, stops: Stops, frames: Frames) -> None:
        self._stops = stops
        self._frames = frames

    async def __call__(self, recorded: Recorded[ChatErased]) -> None:
        for turn_id in recorded.event.open_turns:
            await self._stops.tell(recorded.tenant_id, turn_id)
            await self._frames.forget(recorded.tenant_id, turn_id)
