"""A reader gets the pieces of an answer no faster than twenty a second, and all of them."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import pytest
from hypothesis import given, strategies as st

from services.gateway.http.pace import EVERY, Pace, paced
from shared.contracts.chat_frames import Frame

A_SECOND = 20


def frame(i: int, event: str = "delta") -> Frame:
    data = {"content": f"<{i}>"} if event == "delta" else {}
    return Frame.model_validate({"i": i, "event": event, "data": data})


def shown(frames: Sequence[Frame], after: int = 0) -> str:
    """The text on a screen; from a frame with a number above `after` on."""
    text = ""
    for one in frames:
        if one.event == "reset":
            text = ""
        elif one.event == "delta" and one.i > after:
            text += one.data["content"]
    return text


def told(frames: Sequence[Frame], times: Sequence[float]) -> list[tuple[float, Frame]]:
    """What a reader gets and when, by a clock that stands still between events."""
    pace = Pace()
    found: list[tuple[float, Frame]] = []
    now = 0.0
    for at, coming in zip(times, frames, strict=True):
        while (wait := pace.wait(now)) is not None and now + wait < at:
            now += wait
            found += [(now, one) for one in pace.due(now)]
        now = at
        found += [(now, one) for one in pace.take(coming, now)]
    return found + [(now, one) for one in pace.rest(now)]


GAPS = st.sampled_from([0.0, 0.001, 0.01, 0.04, EVERY, 0.06, 0.5, 3.0])
ANSWERS = st.lists(GAPS, min_size=1, max_size=150)


def times(gaps: Sequence[float]) -> list[float]:
    at = 0.0
    return [at := at + gap for gap in gaps]


def answer(length: int, ends: str = "done") -> list[Frame]:
    return [*map(frame, range(1, length)), frame(length, ends)]


@given(ANSWERS)
def test_no_second_of_an_answer_has_more_than_twenty_pieces(gaps: list[float]) -> None:
    pieces = [at for at, one in told(answer(len(gaps)), times(gaps)) if one.event == "delta"]
    for n, at in enumerate(pieces):
        within = [other for other in pieces[n:] if other < at + 1]
        assert len(within) <= A_SECOND


@given(ANSWERS, st.integers(0, 150))
def test_whoever_is_cut_anywhere_and_resumes_has_the_whole_text_once(
    gaps: list[float], cut: int
) -> None:
    """After a reset too: frames of an attempt that was taken over are not merged with others."""
    whole = answer(len(gaps))
    if cut < len(whole) - 1:
        whole[cut] = frame(cut + 1, "reset")
    first = [one for _, one in told(whole, times(gaps))][: cut + 1]
    rest = [one for one in whole if one.i > first[-1].i]
    then = [one for _, one in told(rest, times(gaps)[-len(rest) :] if rest else [])]
    numbers = [one.i for one in [*first, *then]]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == whole[-1].i
    assert shown([*first, *then]) == shown(whole)


@given(ANSWERS)
def test_what_is_no_piece_of_text_comes_as_it_is_and_at_once(gaps: list[float]) -> None:
    kinds = ["sources", "delta", "citations", "delta", "delta", "reset", "delta", "done"]
    whole = [frame(n + 1, kinds[n % len(kinds)]) for n in range(len(gaps))]
    when = dict(zip([one.i for one in whole], times(gaps), strict=True))
    others = [(at, one) for at, one in told(whole, times(gaps)) if one.event != "delta"]
    assert others == [(when[one.i], one) for one in whole if one.event != "delta"]


def test_a_long_answer_that_is_told_again_takes_a_few_frames() -> None:
    whole = [
        frame(1, "sources"),
        frame(2, "citations"),
        *map(frame, range(3, 400)),
        frame(400, "done"),
    ]
    found = [one for _, one in told(whole, [7.0] * len(whole))]
    assert [(one.i, one.event) for one in found] == [
        (1, "sources"),
        (2, "citations"),
        (3, "delta"),
        (399, "delta"),
        (400, "done"),
    ]


def test_pieces_that_come_in_time_are_not_held() -> None:
    found = told(answer(30), [n * 0.06 for n in range(30)])
    assert [at for at, _ in found] == [n * 0.06 for n in range(30)]


async def streamed(*frames: Frame | None) -> AsyncGenerator[Frame | None, None]:
    for one in frames:
        yield one


class TestAStream:
    """The same with a generator; the pace is so slow that only the end releases what is held."""

    SLOW = 3600.0

    async def test_is_told_whole(self) -> None:
        frames = streamed(*answer(50))
        found = [one async for one in paced(frames, Pace(self.SLOW))]
        assert [one.i for one in found if one is not None] == [1, 49, 50]

    async def test_that_ends_without_a_last_frame_loses_nothing(self) -> None:
        frames = streamed(*map(frame, range(1, 5)))
        found = [one async for one in paced(frames, Pace(self.SLOW))]
        assert [one.i for one in found if one is not None] == [1, 4]

    async def test_tells_when_it_is_time_for_a_heartbeat(self) -> None:
        frames = streamed(None, frame(1), frame(2), None, frame(3, "done"))
        found = [one async for one in paced(frames, Pace(self.SLOW))]
        assert found == [None, frame(1), frame(2), None, frame(3, "done")]

    async def test_releases_what_is_held_while_nothing_comes(self) -> None:
        async def stuck() -> AsyncGenerator[Frame | None, None]:
            yield frame(1)
            yield frame(2)
            await asyncio.Event().wait()

        frames = stuck()
        async with aclosing(frames), aclosing(paced(frames, Pace(0.001))) as told:
            assert [(await anext(told)), (await anext(told))] == [frame(1), frame(2)]

    async def test_that_fails_says_so(self) -> None:
        async def failing() -> AsyncGenerator[Frame | None, None]:
            yield frame(1)
            yield frame(2)
            raise RuntimeError("lost")

        with pytest.raises(RuntimeError, match="lost"):
            _ = [one async for one in paced(failing(), Pace(self.SLOW))]

    async def test_that_nobody_reads_any_more_is_closed(self) -> None:
        closed = []

        async def stuck() -> AsyncGenerator[Frame | None, None]:
            try:
                yield frame(1)
                yield frame(2)
                await asyncio.Event().wait()
            finally:
                closed.append(True)

        frames = stuck()
        async with aclosing(frames), aclosing(paced(frames, Pace(self.SLOW))) as told:
            assert await anext(told) == frame(1)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await anext(told)
        assert closed == [True]
