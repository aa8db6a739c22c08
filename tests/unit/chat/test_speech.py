"""What a turn tells over all its attempts: nothing twice, and nothing that is not taken back."""

from collections.abc import Sequence

import pytest
from hypothesis import given, strategies as st

from services.chat.reactions.speech import Speech
from shared.contracts.chat_frames import Frame
from tests.unit.chat.fakes import KeptFrames


def speech(frames: KeptFrames) -> Speech:
    """An attempt that begins with what earlier ones have left."""
    return Speech(frames, "t1", "turn", list(frames.kept))


async def attempt(
    frames: KeptFrames, pieces: Sequence[str], *, end: bool = False, kill_after: int | None = None
) -> None:
    """Say the pieces; killed after so many."""
    it = speech(frames)
    await it.once("sources", {"sources": []})
    for n, piece in enumerate(pieces):
        if n == kill_after:
            return
        await it.say(piece)
    if end:
        await it.finish("done", {})


@pytest.fixture
def frames() -> KeptFrames:
    return KeptFrames()


async def test_one_attempt_tells_everything_in_numbered_frames(frames: KeptFrames) -> None:
    await attempt(frames, ["Seven ", "years."], end=True)
    assert [(f.i, f.event) for f in frames.kept] == [
        (1, "sources"),
        (2, "delta"),
        (3, "delta"),
        (4, "done"),
    ]
    assert frames.shown == "Seven years."


async def test_an_attempt_after_a_kill_goes_on_where_the_other_stopped(frames: KeptFrames) -> None:
    await attempt(frames, ["Seven ", "years."], kill_after=1)
    await attempt(frames, ["Seven ", "years."], end=True)
    assert [f.data.get("content") for f in frames.kept if f.event == "delta"] == [
        "Seven ",
        "years.",
    ]
    assert frames.names == ["sources", "delta", "delta", "done"]
    assert [frame.i for frame in frames.kept] == [1, 2, 3, 4]


async def test_pieces_cut_elsewhere_are_told_by_what_is_new_of_them(frames: KeptFrames) -> None:
    await attempt(frames, ["Seven ye"], kill_after=None)
    await attempt(frames, ["Sev", "en years", "."], end=True)
    assert [f.data["content"] for f in frames.kept if f.event == "delta"] == [
        "Seven ye",
        "ars",
        ".",
    ]


async def test_another_text_takes_the_old_one_back_first(frames: KeptFrames) -> None:
    await attempt(frames, ["Eight "], kill_after=None)
    await attempt(frames, ["Se", "ven."], end=True)
    assert frames.names == ["sources", "delta", "reset", "delta", "delta", "done"]
    assert frames.shown == "Seven."


async def test_a_shorter_text_takes_the_surplus_back(frames: KeptFrames) -> None:
    await attempt(frames, ["Seven years, or more."], kill_after=None)
    await attempt(frames, ["Seven years"], end=True)
    assert frames.names[-3:] == ["reset", "delta", "done"]
    assert frames.shown == "Seven years"


async def test_an_earlier_end_is_known(frames: KeptFrames) -> None:
    assert not speech(frames).ended
    await attempt(frames, ["x"], end=True)
    assert speech(frames).ended
    failed = KeptFrames([Frame(i=1, event="error", data={})])
    assert speech(failed).ended


async def test_an_error_takes_nothing_back(frames: KeptFrames) -> None:
    await attempt(frames, ["Seven"])
    await speech(frames).finish("error", {"detail": "x"})
    assert frames.names == ["sources", "delta", "error"]


@given(
    st.lists(
        st.tuples(st.lists(st.text("ab", min_size=1, max_size=3), max_size=4), st.integers(0, 4)),
        max_size=4,
    ),
    st.lists(st.text("ab", min_size=1, max_size=3), min_size=1, max_size=4),
)
async def test_whatever_was_killed_before_the_client_ends_with_the_last_text(
    killed: list[tuple[list[str], int]], last: list[str]
) -> None:
    frames = KeptFrames()
    for pieces, after in killed:
        await attempt(frames, pieces, kill_after=after)
    await attempt(frames, last, end=True)
    assert frames.shown == "".join(last)
    assert [frame.i for frame in frames.kept] == list(range(1, len(frames.kept) + 1))
    assert frames.names.count("sources") == frames.names.count("done") == 1
