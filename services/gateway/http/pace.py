"""Pieces of an answer for one reader: merged where they come faster than anybody reads.

An answer that is told while it is made comes in pieces at a reader's pace. One that is told again,
or that was held up on its way, has many pieces at once. A piece that stands for several has the
number of the last of them, so a stream can be resumed behind it.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

from shared.contracts.chat_frames import Frame

EVERY = 1 / 19
"""Seconds between two pieces. What is held when the answer ends is told at once: with that one,
there are at most twenty in any second."""


class End:
    """Nothing comes any more."""


@dataclass
class Pace:
    """What of a stream is held back, and until when. Times are seconds of a steady clock."""

    every: float = EVERY
    _held: Frame | None = None
    _free_at: float = float("-inf")

    def take(self, frame: Frame, now: float) -> list[Frame]:
        """What is to be told when `frame` has come; a piece may be held back."""
        if frame.event != "delta":
            return [*self._tell(now), frame]
        self._held = frame if self._held is None else merged(self._held, frame)
        return self.due(now)

    def due(self, now: float) -> list[Frame]:
        """What was held back long enough."""
        return self._tell(now) if now >= self._free_at else []

    def wait(self, now: float) -> float | None:
        """Seconds until something is due; None: nothing is held back."""
        return None if self._held is None else max(0.0, self._free_at - now)

    def rest(self, now: float) -> list[Frame]:
        """What is held back, when nothing else comes."""
        return self._tell(now)

    def _tell(self, now: float) -> list[Frame]:
        if self._held is None:
            return []
        told, self._held = self._held, None
        self._free_at = now + self.every
        return [told]


def merged(first: Frame, second: Frame) -> Frame:
    """One piece for two that follow each other."""
    return Frame(
        i=second.i,
        event="delta",
        data={"content": str(first.data["content"]) + str(second.data["content"])},
    )


async def paced(
    frames: AsyncGenerator[Frame | None, None],
    pace: Pace | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> AsyncGenerator[Frame | None, None]:
    """`frames` at a reader's pace; None passes. Whoever gave them closes them."""
    pace = Pace() if pace is None else pace
    coming: asyncio.Task[Frame | End | None] | None = None
    try:
        while True:
            wait = pace.wait(clock())
            if wait is None and coming is None:
                frame = await _next(frames)  # the usual case, without a task for every piece
            else:
                coming = coming or _coming(frames)
                await asyncio.wait((coming,), timeout=wait)
                if not coming.done():
                    for told in pace.due(clock()):
                        yield told
                    continue
                frame, coming = coming.result(), None
            if isinstance(frame, Frame):
                for told in pace.take(frame, clock()):
                    yield told
                continue
            for told in pace.rest(clock()):
                yield told
            if frame is not None:
                return
            yield None
    finally:
        if coming is not None:
            coming.cancel()
            await asyncio.wait((coming,))


def _coming(frames: AsyncGenerator[Frame | None, None]) -> asyncio.Task[Frame | End | None]:
    """The task is its caller's, who ends it: a group cannot stand around a `yield`."""
    return asyncio.create_task(_next(frames))  # noqa: TID251  ended by `paced` itself


async def _next(frames: AsyncGenerator[Frame | None, None]) -> Frame | End | None:
    return await anext(frames, End())
