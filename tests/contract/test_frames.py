"""Frames of streamed answers, whoever comes late, loses some, or hears some twice."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing

import pytest
from nats.aio.client import Client

from shared.adapters.frames import PAGE, FrameChannel, frame_subject
from shared.contracts.chat_frames import Frame
from shared.kernel.ids import new_id
from tests.eventually import eventually

IDLE = 0.2


@pytest.fixture
def channel(client: Client) -> FrameChannel:
    return FrameChannel(client)


@pytest.fixture
def turn_id() -> str:
    return new_id()


def delta(i: int) -> Frame:
    return Frame(i=i, event="delta", data={"content": f"wörd {i}"})


def done(i: int) -> Frame:
    return Frame(i=i, event="done", data={})


async def publish(
    channel: FrameChannel, tenant_id: str, turn_id: str, frames: Sequence[Frame]
) -> None:
    for frame in frames:
        await channel.publish(tenant_id, turn_id, frame)


async def kept(channel: FrameChannel, tenant_id: str, turn_id: str, count: int) -> None:
    """Wait until the broker has so many frames."""

    async def look() -> None:
        assert len(await channel.stored(tenant_id, turn_id)) == count

    await eventually(look)


async def followed(
    channel: FrameChannel, tenant_id: str, turn_id: str, after: int = 0
) -> list[Frame]:
    """All frames up to the terminal one; silence left out."""
    follow = channel.follow(tenant_id, turn_id, after, IDLE)
    async with aclosing(follow) as frames:
        return [frame async for frame in frames if frame is not None]


class Listener:
    """Somebody who follows, and is known to listen before anything is said."""

    def __init__(self, channel: FrameChannel, tenant_id: str, turn_id: str, after: int = 0) -> None:
        self._frames = channel.follow(tenant_id, turn_id, after, IDLE)

    async def listens(self) -> "Listener":
        assert await anext(self._frames) is None
        return self

    async def hear(self) -> list[Frame]:
        async with aclosing(self._frames) as frames:
            return [frame async for frame in frames if frame is not None]


class TestStored:
    async def test_frames_come_back_in_order(
        self, channel: FrameChannel, tenant_id: str, turn_id: str
    ) -> None:
        said = [delta(1), delta(2), done(3)]
        await publish(channel, tenant_id, turn_id, said)
        await kept(channel, tenant_id, turn_id, 3)
        assert await channel.stored(tenant_id, turn_id) == said
        assert await channel.stored(tenant_id, turn_id, after=2) == [done(3)]

    async def test_a_frame_that_was_told_twice_comes_once(
        self, channel: FrameChannel, tenant_id: str, turn_id: str
    ) -> None:
        await publish(channel, tenant_id, turn_id, [delta(1), delta(2), delta(1), done(3)])
        await kept(channel, tenant_id, turn_id, 3)
        assert await channel.stored(tenant_id, turn_id) == [delta(1), delta(2), done(3)]

    async def test_there_is_nothing_of_a_strangers_turn(
        self, channel: FrameChannel, tenant_id: str, other_tenant_id: str, turn_id: str
    ) -> None:
        await publish(channel, tenant_id, turn_id, [delta(1)])
        await kept(channel, tenant_id, turn_id, 1)
        assert await channel.stored(other_tenant_id, turn_id) == []
        assert await channel.stored(tenant_id, new_id()) == []

    async def test_more_than_a_page_is_read_whole(
        self, channel: FrameChannel, tenant_id: str, turn_id: str
    ) -> None:
        said = [delta(i) for i in range(1, PAGE + 51)]
        await publish(channel, tenant_id, turn_id, said)
        await kept(channel, tenant_id, turn_id, len(said))
        assert await channel.stored(tenant_id, turn_id) == said


class TestFollowing:
    async def test_gives_what_is_told_and_ends_with_the_terminal_frame(
        self, channel: FrameChannel, tenant_id: str, turn_id: str
    ) -> None:
        listener = await Listener(channel, tenant_id, turn_id).listens()
        said = [delta(1), delta(2), done(3), delta(4)]
        await publish(channel, tenant_id, turn_id, said)
        assert await listener.hear() == said[:3]

    async def test_a_reader_that_does_not_read_holds_up_nobody(
        self, channel: FrameChannel, tenant_id: str, turn_id: str
    ) -> None:
        slow = await Listener(channel, tenant_id, turn_id).listens()
        quick = await Listener(channel, tenant_id, turn_id).listens()
        said = [*map(delta, range(1, 500)), done(500)]
        await publish(channel, tenant_id, turn_id, said)
        assert await quick.hear() == said
        assert await slow.hear() == said

    async def test_an_error_is_terminal_too(
        self, channel: FrameChannel, tenant_id: str, turn_id: str
    ) -> None:
        listener = await Listener(channel, tenant_id, turn_id).listens()
        error = Frame(i=1, event="error", data={"detail": "no"})
        await publish(channel, tenant_id, turn_id, [error])
        assert await listener.hear() == [error]

    async def test_who_comes_late_gets_everything(
        self, channel: FrameChannel, tenant_id: str, turn_id: str
    ) -> None:
        said = [delta(1), delta(2), done(3)]
        await publish(channel, tenant_id, turn_id, said)
        await kept(channel, tenant_id, turn_id, 3)
        assert await followed(channel, tenant_id, turn_id) == said

    async def test_who_comes_in_between_gets_everything(
        self, channel: FrameChannel, tenant_id: str, turn_id: str
    ) -> None:
        await publish(channel, tenant_id, turn_id, [delta(1), delta(2)])
        await kept(channel, tenant_id, turn_id, 2)
        following = asyncio.ensure_future(followed(channel, tenant_id, turn_id))
        for frame in (delta(3), delta(4), done(5)):
            await asyncio.sleep(0)
            await channel.publish(tenant_id, turn_id, frame)
        assert [frame.i for frame in await following] == [1, 2, 3, 4, 5]

    async def test_who_resumes_gets_only_what_is_behind(
        self, channel: FrameChannel, tenant_id: str, turn_id: str
    ) -> None:
        await publish(channel, tenant_id, turn_id, [delta(1), delta(2), delta(3)])
        await kept(channel, tenant_id, turn_id, 3)
        listener = Listener(channel, tenant_id, turn_id, after=2)
        assert await anext(listener._frames) == delta(3)
        await publish(channel, tenant_id, turn_id, [delta(4), done(5)])
        assert await listener.hear() == [delta(4), done(5)]

    async def test_who_comes_to_a_turn_that_has_begun_sees_it_from_its_beginning(
        self, channel: FrameChannel, tenant_id: str, turn_id: str
    ) -> None:
        await publish(channel, tenant_id, turn_id, [delta(1), done(2)])
        await kept(channel, tenant_id, turn_id, 2)
        follow = channel.follow(tenant_id, turn_id, 0, 3600, begun=True)
        async with aclosing(follow) as frames:
            assert [frame async for frame in frames] == [delta(1), done(2)]

    async def test_the_end_is_known_by_its_number(
        self, channel: FrameChannel, tenant_id: str, turn_id: str
    ) -> None:
        await publish(channel, tenant_id, turn_id, [delta(1), done(2)])
        await kept(channel, tenant_id, turn_id, 2)
        assert [await channel.ends(tenant_id, turn_id, n) for n in (1, 2, 3)] == [
            False,
            True,
            False,
        ]

    async def test_a_frame_that_is_told_twice_is_heard_once(
        self, channel: FrameChannel, tenant_id: str, turn_id: str
    ) -> None:
        listener = await Listener(channel, tenant_id, turn_id).listens()
        said = [delta(1), delta(1), delta(2), delta(1), delta(2), done(3)]
        await publish(channel, tenant_id, turn_id, said)
        assert await listener.hear() == [delta(1), delta(2), done(3)]

    async def test_a_gap_is_filled_from_what_is_kept(
        self, client: Client, channel: FrameChannel, tenant_id: str, turn_id: str
    ) -> None:
        """Frames 2 and 3 are kept but were never heard live, as a reconnect leaves it."""
        listener = Listener(channel, tenant_id, turn_id)
        await publish(channel, tenant_id, turn_id, [delta(1), delta(2), delta(3)])
        await kept(channel, tenant_id, turn_id, 3)
        assert await anext(listener._frames) == delta(1)
        await publish(channel, tenant_id, turn_id, [delta(4), done(5)])
        assert [frame.i for frame in await listener.hear()] == [2, 3, 4, 5]

    async def test_frames_that_are_lost_for_good_do_not_hold_up_the_end(
        self, channel: FrameChannel, tenant_id: str, turn_id: str
    ) -> None:
        """Who follows sees the gap by the numbers."""
        listener = await Listener(channel, tenant_id, turn_id).listens()
        await publish(channel, tenant_id, turn_id, [delta(1), done(4)])
        assert await listener.hear() == [delta(1), done(4)]

    async def test_silence_is_told_as_often_as_wanted(
        self, channel: FrameChannel, tenant_id: str, turn_id: str
    ) -> None:
        async with aclosing(channel.follow(tenant_id, turn_id, 0, 0.01)) as frames:
            assert [await anext(frames) for _ in range(3)] == [None, None, None]
            await channel.publish(tenant_id, turn_id, done(1))
            heard = [frame async for frame in frames if frame is not None]
        assert heard == [done(1)]

    async def test_nobody_hears_another_tenants_turn(
        self, channel: FrameChannel, tenant_id: str, other_tenant_id: str, turn_id: str
    ) -> None:
        listener = await Listener(channel, other_tenant_id, turn_id).listens()
        await publish(channel, tenant_id, turn_id, [done(1)])
        await kept(channel, tenant_id, turn_id, 1)
        await publish(channel, other_tenant_id, turn_id, [done(2)])
        assert await listener.hear() == [done(2)]

    async def test_following_leaves_no_subscription_behind(
        self, client: Client, channel: FrameChannel, tenant_id: str, turn_id: str
    ) -> None:
        await publish(channel, tenant_id, turn_id, [delta(1), done(2)])
        await kept(channel, tenant_id, turn_id, 2)
        before = len(client._subs)
        for _ in range(3):
            await followed(channel, tenant_id, turn_id, after=1)
        async with aclosing(channel.follow(tenant_id, turn_id, 1, IDLE)) as frames:
            await anext(frames)
        assert len(client._subs) == before

    async def test_only_the_frame_s_own_subject_is_used(
        self, client: Client, channel: FrameChannel, tenant_id: str, turn_id: str
    ) -> None:
        subscription = await client.subscribe(f"tok.{tenant_id}.>")
        await channel.publish(tenant_id, turn_id, delta(1))
        message = await subscription.next_msg(timeout=30)
        assert message.subject == frame_subject(tenant_id, turn_id)
        await subscription.unsubscribe()
