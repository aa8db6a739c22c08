"""Brings a turn's frames to a client, whatever happens on the way.

The turn belongs to the chat service: it ends and is stored whoever listens. What the live frames
do not tell, because a broker lost them, is told from the stored turn.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

from services.gateway.http.context import Caller
from shared.contracts.chat import GetTurn, TurnView
from shared.contracts.chat_frames import Frame, FrameName
from shared.kernel.errors import Unavailable

LOOK_SECONDS = 2.0
"""How long nothing comes before that is told."""
LOOK_AFTER, LOOK_EVERY = 5, 15
"""Silences, after which the stored turn is looked at, and then again. At the next one already, if
frames may have been lost: with ten thousand silent streams, looking at every one of them would be
all that is done.
"""
GIVE_UP_SECONDS = 300.0
HIDDEN = {"text_ref", "snippet"}
"""Fields of a citation that clients have no use for."""


def usage_of(turn: TurnView) -> dict[str, object]:
    """The usage member of the contract."""
    usage = turn.usage
    if usage is None:
        return {}
    return {**usage.model_dump(), "total_tokens": usage.total_tokens}


class Silence:
    """Since when nothing came, and whether the stored turn is worth a look."""

    def __init__(self, losses: Callable[[], int]) -> None:
        """`losses` tells how often frames may have been lost, of whatever turn."""
        self._losses = losses
        self.waited = False
        """Whether the end was waited for since the turn was seen to have ended."""
        self.broken()

    def broken(self) -> None:
        """Something came."""
        self._count = 0
        self._due = LOOK_AFTER
        self._known = self._losses()

    def look_soon(self) -> None:
        """At the next silence."""
        self._due = self._count + 1

    def look_later(self) -> None:
        self._due = self._count + LOOK_EVERY

    def goes_on(self) -> bool:
        """One more; whether it is time to look."""
        self._count += 1
        known, self._known = self._known, self._losses()
        return self._count >= self._due or known != self._known

    @property
    def seconds(self) -> float:
        return self._count * LOOK_SECONDS


async def frames(
    caller: Caller, turn_id: str, after: int, *, begun: bool = False
) -> AsyncGenerator[Frame | None, None]:
    """Frames behind number `after` up to the terminal one; None when it is time for a heartbeat."""
    said: str | None = None if after else ""
    last = after
    silence = Silence(caller.gateway.frames.losses)
    async with aclosing(_live(caller, turn_id, after, begun=begun)) as live:
        async for frame in live:
            if frame is not None and frame.i == last + 1:
                silence.broken()
                last = frame.i
                said = _shown(said, frame)
                yield frame
                if frame.terminal:
                    return
                continue
            if frame is not None:
                silence.look_soon()  # frames before it are lost for good; the stored turn will tell
                if not frame.terminal:
                    continue
            if silence.goes_on() and (
                ending := await _ending(caller, turn_id, silence, last, said)
            ):
                for missing in ending:
                    yield missing
                return
            if silence.seconds >= GIVE_UP_SECONDS:
                yield _error(last + 1, "timeout", "The answer takes too long.", retryable=True)
                return
            yield None


async def _live(
    caller: Caller, turn_id: str, after: int, *, begun: bool
) -> AsyncGenerator[Frame | None, None]:
    """What is told while it is told, then None again and again: never ends by itself."""
    follow = caller.gateway.frames.follow(
        caller.tenant_id, turn_id, after, LOOK_SECONDS, begun=begun
    )
    async with aclosing(follow) as told:
        async for frame in told:
            yield frame
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        yield None


def closing(
    turn: TurnView, last: int, said: str | None, kept: Sequence[Frame], *, waited: bool
) -> list[Frame]:
    """How an ended turn ends for a client that has seen frames up to `last`; of its text `said`,
    or None for what a connection before this one told.

    What is kept is told as it is. Frames of our own could be taken for others of the same number
    by a client that comes back behind one of them. So they are made only of what is known for
    sure, not before the end was `waited` for; or, where frames were lost, with numbers that no
    kept frame has. Nothing, if the end is still to come.
    """
    highest = max(last, kept[-1].i if kept else 0)
    if [frame.i for frame in kept] != list(range(1, highest + 1)):
        return remainder(turn, last, said, number=highest)
    if kept and kept[-1].terminal:
        return list(kept[last:])
    if not waited:
        return []
    shown: str | None = ""
    for frame in kept[:last]:
        shown = _shown(shown, frame)
    return remainder(turn, last, shown)


def remainder(
    turn: TurnView, last: int, said: str | None, *, number: int | None = None
) -> list[Frame]:
    """What is missing of an ended turn, when a client has seen frames up to `last`, and of its
    text `said`; None if that is not known. The frames are numbered behind `number`, or `last`.
    """
    made: list[Frame] = []
    first = 1 + (last if number is None else number)

    def add(event: FrameName, data: dict[str, object]) -> None:
        made.append(Frame(i=first + len(made), event=event, data=data))

    if turn.status == "failed" or turn.message is None:
        add("error", error_data(turn))
        return made
    text = turn.message.content
    if last == 0:
        add("sources", {"sources": [hit.model_dump() for hit in turn.sources]})
        add("citations", {"items": [c.model_dump(exclude=HIDDEN) for c in turn.citations]})
    if said is not None and text.startswith(said):
        text = text[len(said) :]
    elif last > 0:
        add("reset", {"turn_id": turn.turn_id})
    if text:
        add("delta", {"content": text})
    if turn.reason is not None:
        add("refused", {"reason": turn.reason, "best_score": turn.best_score})
    add("done", done_data(turn))
    return made


def done_data(turn: TurnView) -> dict[str, object]:
    """The data of the frame that ends a turn well."""
    return {
        "chat_id": turn.chat_id,
        "message_id": turn.message.id if turn.message else None,
        "usage": usage_of(turn),
        "grounded": turn.grounded,
        **({} if turn.support is None else {"support": turn.support}),
        **({"stopped": True} if turn.stopped else {}),
    }


def error_data(turn: TurnView) -> dict[str, object]:
    return {
        "detail": turn.detail or "The answer failed.",
        "code": turn.error or "failed",
        "retryable": turn.retryable,
    }


def _error(i: int, code: str, detail: str, *, retryable: bool) -> Frame:
    return Frame(i=i, event="error", data={"detail": detail, "code": code, "retryable": retryable})


def _shown(said: str | None, frame: Frame) -> str | None:
    """The text that a client shows after a frame; None while its beginning is not known."""
    if frame.event == "reset":
        return ""
    if frame.event == "delta" and said is not None:
        return said + str(frame.data["content"])
    return said


async def _ending(
    caller: Caller, turn_id: str, silence: Silence, last: int, said: str | None
) -> list[Frame]:
    """As `closing`, of the stored turn; nothing while it is open, or cannot be looked at: what is
    away will be back.
    """
    silence.look_soon()
    try:
        turn = await caller.ask(GetTurn(turn_id=turn_id, scope=caller.chat_scope), TurnView)
        if turn.status == "open":
            silence.look_later()
            return []
        kept = await caller.gateway.frames.stored(caller.tenant_id, turn_id)
    except Unavailable:
        return []
    ending = closing(turn, last, said, kept, waited=silence.waited)
    silence.waited = True
    return ending
