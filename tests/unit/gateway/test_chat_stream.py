"""What a client of a stream gets, whatever comes from the turn."""

from collections.abc import AsyncGenerator, Sequence
from types import SimpleNamespace
from typing import cast

import pytest

from services.gateway.http.chat import HEARTBEAT_EVERY, stream
from services.gateway.http.context import Caller
from services.gateway.http.relay import LOOK_AFTER, LOOK_EVERY
from shared.contracts.base import Message
from shared.contracts.chat import TurnView
from shared.contracts.chat_frames import Frame
from shared.kernel.errors import Unavailable
from tests.unit.gateway.test_relay import turn

DONE = Frame(i=2, event="done", data={})
ERROR = Frame(i=2, event="error", data={"detail": "No.", "code": "failed", "retryable": True})


def delta(text: str) -> Frame:
    return Frame(i=1, event="delta", data={"content": text})


class Told:
    """Frames as a turn tells them; None: nothing came for a while."""

    def __init__(self, *frames: Frame | None, lost_at: int | None = None) -> None:
        """`lost_at` is how many come before the broker goes away and comes back."""
        self._frames = frames
        self._lost_at = lost_at
        self._lost = 0

    async def follow(
        self, _tenant: str, _turn: str, _after: int, _idle: float, *, begun: bool
    ) -> AsyncGenerator[Frame | None, None]:
        assert not begun
        for n, frame in enumerate(self._frames):
            self._lost += n == self._lost_at
            yield frame

    def losses(self) -> int:
        return self._lost

    async def stored(self, _tenant: str, _turn: str) -> Sequence[Frame]:
        return []


async def events(
    told: Told, seen: TurnView, looks: list[TurnView] | None = None, *, away: int = 0
) -> list[str]:
    """The names of all events of a stream. Each look at the turn is noted; so many are in vain."""
    noted = [] if looks is None else looks

    async def ask(_question: Message, _answer: type[TurnView]) -> TurnView:
        noted.append(seen)
        if len(noted) <= away:
            raise Unavailable("chat does not answer")
        return seen

    def allowed(
        body: AsyncGenerator[bytes, None], _farewell: object
    ) -> AsyncGenerator[bytes, None]:
        return body

    caller = SimpleNamespace(
        tenant_id="t1",
        chat_scope=None,
        gateway=SimpleNamespace(frames=told),
        ask=ask,
        while_allowed=allowed,
    )
    response = stream(cast("Caller", caller), "turn-1", 0, b"")
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
    found = await events(Told(*[None] * (LOOK_AFTER + 1)), seen)
    assert found[-1] == ("error" if seen.status == "failed" else "done")
    assert sum(name in ("done", "error") for name in found) == 1


async def test_an_end_that_went_with_the_broker_is_told_at_once() -> None:
    assert (await events(Told(None, None, lost_at=1), turn()))[-1] == "done"
    assert (await events(Told(delta("Sev"), None, None, lost_at=2), turn("Seven")))[-1] == "done"


async def test_a_turn_that_could_not_be_looked_at_is_looked_at_again() -> None:
    looks: list[TurnView] = []
    silent = Told(*[None] * (LOOK_AFTER + 3))
    assert (await events(silent, turn(), looks, away=2))[-1] == "done"
    assert len(looks) == 4


async def test_a_turn_that_goes_on_is_looked_at_now_and_then() -> None:
    looks: list[TurnView] = []
    await events(Told(*[None] * (LOOK_AFTER + 2 * LOOK_EVERY), delta("Seven."), DONE), OPEN, looks)
    assert len(looks) == 3


async def test_a_turn_behind_a_gap_is_looked_at_at_the_next_silence() -> None:
    looks: list[TurnView] = []
    gap = Frame(i=3, event="delta", data={"content": "years"})
    found = await events(Told(delta("Seven "), gap, None, None), turn("Seven years"), looks)
    assert (found[-1], len(looks)) == ("done", 1)
