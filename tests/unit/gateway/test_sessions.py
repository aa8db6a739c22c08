"""What may happen to a session."""

from datetime import UTC, datetime, timedelta

import pytest

from services.gateway.domain.sessions import GRACE, SessionState, session_decider
from shared.contracts.base import Metadata
from shared.contracts.gateway import (
    EndSession,
    RefreshSession,
    SessionCommand,
    SessionEnded,
    SessionEvent,
    SessionRefreshed,
    SessionStarted,
    StartSession,
)
from shared.kernel.errors import Conflict, NotAuthenticated
from shared.kernel.testing import Scenario

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=30)
STARTED = SessionStarted(session_id="s", user_id="u", expires_at=LATER, address_hash="a")


def at(now: datetime = NOW) -> Scenario[SessionState, SessionCommand, SessionEvent]:
    metadata = Metadata(tenant_id="t", message_id="m", correlation_id="c", now=now)
    return Scenario(session_decider, metadata)


def refreshed(generation: int, when: datetime = NOW) -> SessionRefreshed:
    return SessionRefreshed(
        session_id="s", generation=generation, refreshed_at=when, expires_at=LATER
    )


def refresh(generation: int) -> RefreshSession:
    return RefreshSession(session_id="s", generation=generation, expires_at=LATER)


REUSE = SessionEnded(session_id="s", reason="reuse")


def test_it_starts_once() -> None:
    start = StartSession(session_id="s", user_id="u", expires_at=LATER, address_hash="a")
    at().given().when(start).then(STARTED)
    at().given(STARTED).when(start).then_refused(Conflict)


def test_the_newest_token_is_good_for_the_next() -> None:
    at().given(STARTED).when(refresh(0)).then(refreshed(1))
    at().given(STARTED, refreshed(1), refreshed(2)).when(refresh(2)).then(refreshed(3))


def test_the_one_before_may_come_again_for_a_moment() -> None:
    at(NOW + GRACE).given(STARTED, refreshed(1)).when(refresh(0)).then_nothing()


def test_a_spent_one_ends_the_session() -> None:
    late = NOW + GRACE + timedelta(microseconds=1)
    at(late).given(STARTED, refreshed(1)).when(refresh(0)).then(REUSE)
    at().given(STARTED, refreshed(1), refreshed(2)).when(refresh(0)).then(REUSE)


@pytest.mark.parametrize(
    ("history", "generation", "now"),
    [
        ((), 0, NOW),
        ((STARTED,), 1, NOW),
        ((STARTED,), 0, LATER),
        ((STARTED, REUSE), 0, NOW),
        ((STARTED, SessionEnded(session_id="s", reason="logout")), 0, NOW),
    ],
)
def test_nothing_comes_of_a_session_that_is_over(
    history: tuple[SessionEvent, ...], generation: int, now: datetime
) -> None:
    at(now).given(*history).when(refresh(generation)).then_refused(NotAuthenticated)


def test_it_ends_once() -> None:
    end = EndSession(session_id="s")
    ended = SessionEnded(session_id="s", reason="logout")
    at().given(STARTED).when(end).then(ended)
    at().given(STARTED, ended).when(end).then_nothing()
    at().given().when(end).then_refused(NotAuthenticated)
