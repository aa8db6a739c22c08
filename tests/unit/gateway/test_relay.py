"""What is missing of a turn, for a client that has seen a part of it."""

from typing import Any

import pytest
from hypothesis import given, strategies as st

from services.gateway.http.relay import closing, remainder
from shared.contracts.chat import MessageView, TurnView, Usage
from shared.contracts.chat_citations import SourceHit
from shared.contracts.chat_frames import Frame
from tests.unit.samples import T0

TEXT = "Seven years [1]."
HIT = SourceHit(chunk_id="k1", content="The guarantee", score=0.8, source_id="s1")
DONE = {
    "chat_id": "c1",
    "message_id": "m1",
    "usage": {"model": "x", "prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    "grounded": True,
}


def turn(text: str = TEXT, **fields: Any) -> TurnView:
    message = MessageView(
        id="m1",
        chat_id="c1",
        role="assistant",
        content=text,
        prompt_tokens=3,
        completion_tokens=2,
        created_at=T0,
    )
    return TurnView(
        **{
            "turn_id": "t1",
            "chat_id": "c1",
            "status": "answered",
            "message": message,
            "sources": (HIT,),
            "usage": Usage(model="x", prompt_tokens=3, completion_tokens=2),
            "grounded": True,
            **fields,
        }
    )


def told(frames: list[Frame]) -> list[tuple[int, str, Any]]:
    return [(frame.i, frame.event, frame.data) for frame in frames]


class TestOfAnAnsweredTurn:
    def test_who_saw_nothing_sees_it_all(self) -> None:
        assert told(remainder(turn(), 0, "")) == [
            (1, "sources", {"sources": [HIT.model_dump()]}),
            (2, "citations", {"items": []}),
            (3, "delta", {"content": TEXT}),
            (4, "done", DONE),
        ]

    def test_who_saw_the_beginning_sees_the_rest(self) -> None:
        assert told(remainder(turn(), 4, "Seven ")) == [
            (5, "delta", {"content": "years [1]."}),
            (6, "done", DONE),
        ]

    def test_who_saw_all_but_the_end_sees_the_end(self) -> None:
        assert told(remainder(turn(), 9, TEXT)) == [(10, "done", DONE)]

    def test_who_saw_something_else_is_told_to_begin_anew(self) -> None:
        assert told(remainder(turn(), 4, "Eight")) == [
            (5, "reset", {"turn_id": "t1"}),
            (6, "delta", {"content": TEXT}),
            (7, "done", DONE),
        ]

    def test_who_comes_back_with_an_unknown_part_is_told_to_begin_anew(self) -> None:
        assert [frame.event for frame in remainder(turn(), 4, None)] == [
            "reset",
            "delta",
            "done",
        ]

    def test_without_words_there_is_only_the_end(self) -> None:
        assert [frame.event for frame in remainder(turn(""), 2, "")] == ["done"]


class TestOfARefusedTurn:
    def test_the_reason_is_told_before_the_end(self) -> None:
        refused = turn(status="refused", reason="below_floor", best_score=0.2, grounded=False)
        assert [(frame.event, frame.data) for frame in remainder(refused, 0, "")][-2] == (
            "refused",
            {"reason": "below_floor", "best_score": 0.2},
        )


class TestOfAFailedTurn:
    @pytest.mark.parametrize("last", [0, 5])
    def test_there_is_only_the_error(self, last: int) -> None:
        failed = turn(
            status="failed", message=None, error="llm_auth", detail="Refused.", retryable=False
        )
        assert told(remainder(failed, last, "Sev")) == [
            (last + 1, "error", {"detail": "Refused.", "code": "llm_auth", "retryable": False})
        ]

    def test_it_has_words_even_where_none_are_stored(self) -> None:
        failed = turn(status="failed", message=None)
        assert remainder(failed, 0, "")[0].data["detail"] == "The answer failed."


def frames(*events: str, first: int = 1, text: str = TEXT) -> list[Frame]:
    """Frames as they are kept; each delta tells two characters of `text`."""
    made, at = [], 0
    for i, event in enumerate(events, first):
        data = {"content": text[at : at + 2]} if event == "delta" else {}
        at += 2 if event == "delta" else 0
        made.append(Frame.model_validate({"i": i, "event": event, "data": data}))
    return made


class TestOfAnEndedTurn:
    WHOLE = frames("sources", "citations", *["delta"] * 8, "done")

    @pytest.mark.parametrize("last", [0, 2, 6, 10])
    @pytest.mark.parametrize("waited", [True, False])
    def test_what_is_kept_is_told_as_it_is(self, last: int, waited: bool) -> None:
        found = closing(turn(), last, None, self.WHOLE, waited=waited)
        assert found == self.WHOLE[last:]

    def test_an_end_that_is_still_to_come_is_waited_for_and_then_told(self) -> None:
        kept = self.WHOLE[:-1]
        assert closing(turn(), 10, None, kept, waited=False) == []
        assert told(closing(turn(), 10, None, kept, waited=True)) == [(11, "done", DONE)]

    def test_where_frames_were_lost_the_numbers_are_those_of_no_other(self) -> None:
        for kept in (self.WHOLE[5:], self.WHOLE[9:]):
            found = closing(turn(), 3, None, kept, waited=False)
            assert told(found) == [
                (12, "reset", {"turn_id": "t1"}),
                (13, "delta", {"content": TEXT}),
                (14, "done", DONE),
            ]

    def test_who_comes_after_a_loss_sees_it_all(self) -> None:
        found = closing(turn(), 0, "", self.WHOLE[5:], waited=False)
        assert [(frame.i, frame.event) for frame in found] == [
            (12, "sources"),
            (13, "citations"),
            (14, "delta"),
            (15, "done"),
        ]

    def test_where_all_were_lost_they_go_on(self) -> None:
        found = closing(turn(), 3, TEXT[:2], [], waited=False)
        assert told(found) == [(4, "delta", {"content": TEXT[2:]}), (5, "done", DONE)]

    def test_who_comes_back_behind_a_frame_of_ours_gets_the_end_again(self) -> None:
        for last in (12, 13):
            found = closing(turn(), last, None, self.WHOLE[5:], waited=False)
            assert [frame.event for frame in found] == ["reset", "delta", "done"]
            assert found[0].i == last + 1


@given(st.text("ab ", max_size=6), st.integers(0, 5), st.none() | st.text("ab ", max_size=6))
def test_a_client_ends_with_the_stored_text_in_gapless_frames(
    text: str, last: int, said: str | None
) -> None:
    if last == 0:
        said = ""
    made = remainder(turn(text), last, said)
    assert [frame.i for frame in made] == list(range(last + 1, last + 1 + len(made)))
    shown = said
    for frame in made:
        if frame.event == "reset":
            shown = ""
        elif frame.event == "delta":
            shown = (shown or "") + frame.data["content"]
    assert [frame.event for frame in made if frame.terminal] == ["done"]
    assert made[-1].terminal
    assert shown == text
