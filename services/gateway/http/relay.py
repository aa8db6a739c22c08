"""Brings a turn's frames to a client, whatever happens on the way.

The turn belongs to the chat service: it ends and is stored whoever listens. What the live frames
do not tell, because a broker lost them, is told from the stored turn.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from services.gateway.http.context import Caller
from shared.contracts.chat import GetTurn, TurnView
from shared.contracts.chat_frames import Frame, FrameName
from shared.kernel.errors import Unavailable

LOOK_SECONDS = 2.0
"""How long nothing may come before the stored turn is looked at."""
GIVE_UP_SECONDS = 300.0
HIDDEN = {"text_ref", "snippet"}
"""Fields of a citation that clients have no use for."""


def usage_of(turn: TurnView) -> dict[str, object]:
    """The usage member of the contract."""
    usage = turn.usage
    if usage is None:
        return {}
    return {**usage.model_dump(), "total_tokens": usage.total_tokens}


async def frames(
    caller: Caller, turn_id: str, after: int, *, begun: bool = False
) -> AsyncGenerator[Frame | None, None]:
    """Frames behind number `after` up to the terminal one; None when it is time for a heartbeat."""
    said: str | None = None if after else ""
    last = after
    silent = 0.0
    waited = False
    async with aclosing(_live(caller, turn_id, after, begun=begun)) as live:
        async for frame in live:
            if frame is not None and frame.i == last + 1:
                silent, last = 0.0, frame.i
                said = _shown(said, frame)
                yield frame
                if frame.terminal:
                    return
                continue
            if frame is not None and not frame.terminal:
                continue  # frames before it are lost for good; the stored turn will tell
            silent += LOOK_SECONDS
            turn, kept = await _ended(caller, turn_id)
            if turn is not None:
                ending = closing(turn, last, said, kept, waited=waited)
                for missing in ending:
                    yield missing
                if ending:
                    return
                waited = True
            if silent >= GIVE_UP_SECONDS:
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


async def _ended(caller: Caller, turn_id: str) -> tuple[TurnView | None, list[Frame]]:
    """The turn, if it has ended, and all its frames that are kept; None while that cannot be told:
    what is away will be back.
    """
    try:
        turn = await caller.ask(GetTurn(turn_id=turn_id, scope=caller.chat_scope), TurnView)
        if turn.status == "open":
            return None, []
        return turn, await caller.gateway.frames.stored(caller.tenant_id, turn_id)
    except Unavailable:
        return None, []
