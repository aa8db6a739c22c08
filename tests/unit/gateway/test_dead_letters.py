"""Which dead letters somebody is shown."""

from services.gateway.http.dead_letters import undecided
from services.gateway.ports import DeadLetter
from shared.contracts.gateway_letters import LetterStatus


def letter(name: str) -> DeadLetter:
    return DeadLetter(
        id=name,
        given_up="2026-11-26T08:00:00Z",
        service="ingest",
        kind="job",
        aggregate="source",
        aggregate_id="s1",
        name="parse",
    )


def test_those_are_shown_that_something_may_still_become_of() -> None:
    states: dict[str, LetterStatus] = {
        "waits": "given_up",
        "on its way": "ordered",
        "done": "replayed",
        "failed again": "failed",
        "let go": "discarded",
    }
    shown = undecided([letter(name) for name in states], states)
    assert [(one.id, one.status) for one in shown] == [
        ("waits", "given_up"),
        ("on its way", "ordered"),
        ("failed again", "failed"),
    ]


def test_one_that_nobody_can_decide_about_yet_is_not_shown() -> None:
    assert undecided([letter("stored")], {}) == []
