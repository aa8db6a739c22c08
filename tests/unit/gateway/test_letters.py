"""Orders about work that was given up."""

from datetime import UTC, datetime

import pytest

from services.gateway.domain.letters import letter_decider
from shared.contracts.base import Metadata
from shared.contracts.gateway_letters import (
    DeadLetterDiscarded,
    DeadLetterReplayed,
    DeadLetterReplayFailed,
    DeadLetterReplayOrdered,
    DiscardDeadLetter,
    LetterCommand,
    RecordReplay,
    ReplayDeadLetter,
)
from shared.contracts.operations import DeadLetterRecorded
from shared.kernel.errors import Conflict, NotFound
from shared.kernel.testing import Scenario

WHOSE = {
    "dead_letter_id": "1",
    "service": "ingest",
    "stream": "JOBS",
    "subject": "job.t.source.1.x",
}
GIVEN_UP = DeadLetterRecorded(**WHOSE, attempts=6, reason="a bug")
ORDERED = DeadLetterReplayOrdered(**WHOSE)
DISCARDED = DeadLetterDiscarded(**WHOSE)
DONE = DeadLetterReplayed(dead_letter_id="1")
FAILED = DeadLetterReplayFailed(dead_letter_id="1", reason="a bug again")
REPLAY = ReplayDeadLetter(dead_letter_id="1")
DISCARD = DiscardDeadLetter(dead_letter_id="1")
META = Metadata(
    tenant_id="t", message_id="c", correlation_id="c", now=datetime(2026, 1, 1, tzinfo=UTC)
)

letter = Scenario(letter_decider, META)


def test_what_was_given_up_is_ordered_once_more() -> None:
    letter.given(GIVEN_UP).when(REPLAY).then(ORDERED)
    letter.given(GIVEN_UP, ORDERED, FAILED).when(REPLAY).then(ORDERED)


def test_two_clicks_are_one_order() -> None:
    letter.given(GIVEN_UP, ORDERED).when(REPLAY).then_nothing()
    letter.given(GIVEN_UP, ORDERED, DONE).when(REPLAY).then_nothing()
    letter.given(GIVEN_UP, DISCARDED).when(DISCARD).then_nothing()


def test_what_is_not_wanted_is_let_go() -> None:
    letter.given(GIVEN_UP).when(DISCARD).then(DISCARDED)
    letter.given(GIVEN_UP, ORDERED, FAILED).when(DISCARD).then(DISCARDED)


def test_the_two_orders_do_not_cross() -> None:
    letter.given(GIVEN_UP, ORDERED).when(DISCARD).then_refused(Conflict, "once more")
    letter.given(GIVEN_UP, ORDERED, DONE).when(DISCARD).then_refused(Conflict, "once more")
    letter.given(GIVEN_UP, DISCARDED).when(REPLAY).then_refused(Conflict, "discarded")


@pytest.mark.parametrize(("failure", "event"), [(None, DONE), ("a bug again", FAILED)])
def test_what_came_of_it_is_told_once(
    failure: str | None, event: DeadLetterReplayed | DeadLetterReplayFailed
) -> None:
    told = RecordReplay(dead_letter_id="1", failure=failure)
    letter.given(GIVEN_UP, ORDERED).when(told).then(event)
    letter.given(GIVEN_UP, ORDERED, event).when(told).then_nothing()


@pytest.mark.parametrize("command", [REPLAY, DISCARD, RecordReplay(dead_letter_id="1")])
def test_what_was_never_given_up_is_not_found(command: LetterCommand) -> None:
    letter.when(command).then_refused(NotFound)
