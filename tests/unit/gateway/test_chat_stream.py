"""What a client of a stream gets, whatever comes from the turn."""

from collections.abc import AsyncGenerator, Sequence
from types import SimpleNamespace
from typing import cast

import pytest

from services.gateway.http.chat import HEARTBEAT_EVERY, _stream
from services.gateway.http.context import Caller
from shared.contracts.base import Message
from shared.contracts.chat import TurnView
from shared.contracts.chat_frames import Frame
from tests.unit.gateway.test_relay import turn

DONE = Frame(i=2, event="done", data={})
ERROR = Frame(i=2, event="error", data={"detail": "No.", "code": "failed", "retryable": True})


def delta(text: str) -> Frame:
    return Frame(i=1, event="delta", data={"content": text})


class Told:
    """Frames as a turn tells them; None: nothing came for a while."""

    def __init__(self, *frames: Frame | None) -> None:
        self._frames = frames

    async def follow(
        self, _tenant: str, _turn: str, _after: int, _idle: float, *, begun: bool
    ) -> AsyncGenerator[Frame | None, None]:
        assert not begun
        for frame in self._frames:
            yield frame

    async def stored(self, _tenant: str, _turn: str) -> Sequence[Frame]:
        return []


async def events(told: Told, seen: TurnView) -> list[str]:
    """The names of all events of a stream."""

    async def ask(_question: Message, _answer: type[TurnView]) -> TurnView:
        return seen

    async def recheck() -> None:
        """Still allowed."""

    caller = SimpleNamespace(
        tenant_id="t1",
        chat_scope=None,
        gateway=SimpleNamespace(frames=told),
        ask=ask,
        recheck=recheck,
    )
    response = _stream(cast("Caller", caller), "turn-1", 0, b"")
    text = b"".join([cast("bytes", piece) async for piece in response.body_iterator]).decode()
    return [line.removeprefix("event: ") for line in text.splitlines() if line[:6] == "event:"]


OPEN = TurnView(turn_id="turn-1", chat_id="c1", status="open")


async def test_a_silent_stream_has_heartbeats() -> None:
    quiet = [None] * (2 * HEARTBEAT_EVERY + 1)
    found = await events(Told(*quiet, delta("Seven."), DONE), OPEN)
    assert found == ["heartbeat", "heartbeat", "delta", "done"]


async def test_silence_is_counted_from_the_last_word() -> None:
    quiet = [None] * (HEARTBEAT_EVERY - 1)
    assert await events(Told(*quiet, delta("Seven."), *quiet, DONE), OPEN) == ["delta", "done"]


@pytest.mark.parametrize("end", [DONE, ERROR])
async def test_nothing_comes_behind_the_end(end: Frame) -> None:
    again = end.model_copy(update={"i": 3})
    assert await events(Told(delta("Seven."), end, again, None), OPEN) == ["delta", end.event]


@pytest.mark.parametrize("seen", [turn(), turn(status="failed", message=None, error="llm_failed")])
async def test_a_turn_whose_end_was_lost_has_one_all_the_same(seen: TurnView) -> None:
    found = await events(Told(*[None] * 5), seen)
    assert found[-1] == ("error" if seen.status == "failed" else "done")
    assert sum(name in ("done", "error") for name in found) == 1
