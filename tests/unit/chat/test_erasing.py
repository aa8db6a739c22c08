"""How an erasure of chats is done, and done again where it was cut short."""

from collections.abc import Sequence
from datetime import datetime

import pytest

from services.chat.reactions.erasing import DestroyKeyFirst, EraseChats
from shared.contracts.base import Command, Done, Metadata, Recorded
from shared.contracts.chat import EraseChat, SetFeedback
from shared.contracts.gateway_erasure import ErasureKind, ErasureRequested, RecordErasureTold
from shared.kernel.errors import NotFound, Unavailable


class World:
    """Chats of a visitor, and everything that is done to them; fails once when it is told to."""

    def __init__(self, *chats: str) -> None:
        self.left = list(chats)
        self.replays: dict[str, str] = {}
        """Chats that replay turns of others, and those."""
        self.taken: list[str] = []
        self.orders: list[Command] = []
        self.dropped: list[str] = []
        self.shows = 100
        self.fails_at: str | None = None

    async def execute(self, command: Command, _cause: Metadata, _purpose: str) -> Done:
        assert isinstance(command, EraseChat)
        if command.chat_id == self.fails_at:
            self.fails_at = None
            raise Unavailable("killed")
        if command.chat_id not in self.left:
            raise NotFound("Chat session not found")
        self.left.remove(command.chat_id)
        self.taken.append(command.chat_id)
        return Done(position=1)

    async def order(self, command: Command, _cause: Metadata, _purpose: str) -> None:
        self.orders.append(command)

    async def shown(self, _position: int, _seconds: float) -> int:
        return self.shows

    async def forget(self, _tenant_id: str, turn_id: str) -> None:
        self.dropped.append(turn_id)

    async def of_visitor(self, _tenant_id: str, _visitor_id: str) -> Sequence[str]:
        return self.left[:2]

    async def older(self, _tenant_id: str, _before: datetime) -> Sequence[str]:
        return self.left[:2]

    async def replaying(self, _tenant_id: str, _erasure_id: str) -> Sequence[str]:
        return [one for one in self.left if self.replays.get(one) in self.taken]

    async def erased(self, _tenant_id: str, _erasure_id: str) -> int:
        return len(self.taken)

    async def turns_of(self, _tenant_id: str, chat_id: str) -> Sequence[str]:
        return [f"turn of {chat_id}"]


def erasing(world: World) -> EraseChats:
    return EraseChats(world.execute, world.order, world, world, world.shown)


def requested(
    metadata: Metadata, kind: ErasureKind = "visitor", before: datetime | None = None
) -> Recorded[ErasureRequested]:
    event = ErasureRequested(erasure_id="e1", kind=kind, subject_id="c2", before=before)
    return Recorded(event, metadata, "event-1", 7)


async def test_takes_every_chat_and_its_frames_and_then_tells(metadata: Metadata) -> None:
    world = World("c1", "c2", "c3")
    await erasing(world)(requested(metadata))
    assert world.taken == ["c1", "c2", "c3"]
    assert world.dropped == ["turn of c1", "turn of c2", "turn of c3"]
    assert world.orders == [RecordErasureTold(erasure_id="e1", counts={"chats": 3})]


async def test_goes_on_where_it_was_cut_short_and_tells_once_of_all(metadata: Metadata) -> None:
    world = World("c1", "c2", "c3")
    world.fails_at = "c2"
    with pytest.raises(Unavailable):
        await erasing(world)(requested(metadata))
    assert world.orders == []
    await erasing(world)(requested(metadata))
    assert world.orders == [RecordErasureTold(erasure_id="e1", counts={"chats": 3})]


async def test_takes_one_chat_only_where_one_is_named(metadata: Metadata) -> None:
    world = World("c1", "c2")
    await erasing(world)(requested(metadata, "chat"))
    await erasing(world)(requested(metadata, "chat"))
    assert (world.taken, world.left) == (["c2"], ["c1"])


async def test_takes_what_replays_them_along_and_what_replays_that(metadata: Metadata) -> None:
    world = World("c1", "c2", "c3", "c4")
    world.replays = {"c1": "c2", "c3": "c1"}
    await erasing(world)(requested(metadata, "chat"))
    assert (world.taken, world.left) == (["c2", "c1", "c3"], ["c4"])
    assert world.orders == [RecordErasureTold(erasure_id="e1", counts={"chats": 3})]


async def test_takes_what_is_too_old(metadata: Metadata) -> None:
    world = World("c1", "c2", "c3")
    await erasing(world)(requested(metadata, "retention", metadata.now))
    assert world.left == []


async def test_takes_nothing_where_something_else_is_too_old(metadata: Metadata) -> None:
    world = World("c1", "c2")
    await erasing(world)(requested(metadata, "retention"))
    assert world.left == ["c1", "c2"]
    assert world.orders == [RecordErasureTold(erasure_id="e1", counts={"chats": 0})]


@pytest.mark.parametrize("kind", ["user", "tenant"])
async def test_leaves_users_and_tenants_to_their_owner(
    metadata: Metadata, kind: ErasureKind
) -> None:
    world = World("c1")
    await erasing(world)(requested(metadata, kind))
    assert (world.left, world.orders) == (["c1"], [])


async def test_waits_until_rows_show_what_was_said_before(metadata: Metadata) -> None:
    world = World("c1")
    world.shows = 6
    with pytest.raises(Unavailable):
        await erasing(world)(requested(metadata))
    assert world.left == ["c1"]


async def test_the_key_goes_before_anything_else_and_only_then(metadata: Metadata) -> None:
    destroyed: list[tuple[str, str]] = []

    class Keys:
        async def destroy_key(self, tenant_id: str, subject: str) -> None:
            destroyed.append((tenant_id, subject))

    first = DestroyKeyFirst(Keys())
    await first(SetFeedback(chat_id="c1", message_id="m", feedback=None), metadata)
    assert destroyed == []
    await first(EraseChat(chat_id="c1", erasure_id="e1"), metadata)
    assert destroyed == [(metadata.tenant_id, "chat/c1")]
