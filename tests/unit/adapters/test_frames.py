"""Following a turn: every frame once, in order, whatever the live ones lose or repeat."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
from typing_extensions import override

from shared.adapters.frames import LOOK_EVERY, FrameChannel, frame_subject
from shared.contracts.chat_frames import Frame


def frame(i: int, *, last: bool = False) -> Frame:
    return Frame(i=i, event="done" if last else "delta", data={"content": str(i)})


@dataclass
class Broker:
    """As much of a connection as following uses: what is told live reaches the follower."""

    is_closed: bool = False
    stats: dict[str, int] = field(default_factory=lambda: {"reconnects": 0})
    subscribed: list[str] = field(default_factory=list)
    told: Callable[[Any], Awaitable[None]] | None = None
    left: int = 0

    async def subscribe(self, subject: str, cb: Callable[[Any], Awaitable[None]]) -> Any:
        self.subscribed.append(subject)
        self.told = cb

        async def unsubscribe() -> None:
            self.left += 1

        return SimpleNamespace(unsubscribe=unsubscribe)

    async def tell(self, *frames: Frame) -> None:
        assert self.told is not None
        for one in frames:
            await self.told(SimpleNamespace(data=one.model_dump_json().encode()))


class Channel(FrameChannel):
    """A channel whose kept frames are at hand."""

    def __init__(self, broker: Broker, *kept: Frame) -> None:
        super().__init__(cast("Any", broker))
        self.kept = list(kept)

    @override
    async def stored(self, tenant_id: str, turn_id: str, after: int = 0) -> list[Frame]:
        return [one for one in self.kept if one.i > after]


async def follow(
    broker: Broker, channel: Channel, *live: Frame, after: int = 0, idle: float = 30
) -> list[int | None]:
    """The numbers that a follower sees, up to the end."""
    seen: list[int | None] = []
    async with aclosing(channel.follow("t1", "turn", after, idle)) as frames:

        async def read() -> None:
            async for one in frames:
                seen.extend([None if one is None else one.i])

        async with asyncio.timeout(120), asyncio.TaskGroup() as tasks:
            tasks.create_task(read())
            while broker.told is None:
                await asyncio.sleep(0)
            await broker.tell(*live)
    return seen


@pytest.fixture
def broker() -> Broker:
    return Broker()


async def test_live_frames_come_in_order_up_to_the_last(broker: Broker) -> None:
    live = [frame(1), frame(2), frame(3, last=True), frame(4)]
    assert await follow(broker, Channel(broker), *live) == [1, 2, 3]
    assert broker.subscribed == ["tok.t1.turn"] == [frame_subject("t1", "turn")]
    assert broker.left == 1


async def test_repeated_frames_come_once(broker: Broker) -> None:
    live = [frame(1), frame(1), frame(2), frame(1), frame(3, last=True)]
    assert await follow(broker, Channel(broker), *live) == [1, 2, 3]


async def test_who_resumes_sees_what_is_kept_first(broker: Broker) -> None:
    channel = Channel(broker, frame(1), frame(2), frame(3))
    assert await follow(broker, channel, frame(4, last=True), after=1) == [2, 3, 4]


async def test_who_resumes_an_ended_turn_needs_nothing_live(broker: Broker) -> None:
    channel = Channel(broker, frame(1), frame(2, last=True))
    assert await follow(broker, channel, after=1) == [2]


async def test_a_gap_is_filled_from_what_is_kept(broker: Broker) -> None:
    channel = Channel(broker, frame(1), frame(2), frame(3))
    assert await follow(broker, channel, frame(1), frame(4, last=True)) == [1, 2, 3, 4]


async def test_a_gap_that_nobody_kept_is_passed_over(broker: Broker) -> None:
    assert await follow(broker, Channel(broker), frame(1), frame(4, last=True)) == [1, 4]


@pytest.mark.parametrize("silences", [1, LOOK_EVERY + 1])
async def test_silence_is_told_and_what_was_kept_meanwhile_is_seen(
    broker: Broker, silences: int
) -> None:
    """At once if the broker was away, else after some more."""
    channel = Channel(broker)
    seen: list[int | None] = []
    async with aclosing(channel.follow("t1", "turn", 0, 0.001)) as frames:
        async for one in frames:
            seen.append(None if one is None else one.i)
            if one is None and not channel.kept:
                channel.kept = [frame(1), frame(2, last=True)]
                broker.stats["reconnects"] += silences == 1
    assert seen == [*[None] * min(silences, LOOK_EVERY), 1, 2]


async def test_what_was_told_before_anybody_followed_is_seen_at_the_first_silence(
    broker: Broker,
) -> None:
    channel = Channel(broker, frame(1), frame(2, last=True))
    assert await follow(broker, channel, idle=0.001) == [1, 2]


def test_done_and_error_end_a_turn_and_nothing_else() -> None:
    ends = {
        name
        for name in ("turn", "sources", "delta", "refused", "reset", "done", "error", "heartbeat")
        if Frame.model_validate({"i": 1, "event": name, "data": {}}).terminal
    }
    assert ends == {"done", "error"}
