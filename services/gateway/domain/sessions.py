"""What may happen to a session: one login, kept alive by a refresh token that rotates.

A refresh token names its session and its generation and is signed; the log holds neither it nor a
hash of it. RFC 9700 (OAuth 2.0 Security), section 4.14.2: a spent token that comes again ends the
whole family, as nobody can tell the thief from the owner.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from shared.contracts.base import Message, Metadata
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
from shared.kernel.decider import Decider
from shared.kernel.errors import Conflict, NotAuthenticated

GRACE = timedelta(seconds=10)
"""In which the token before the newest may come again: two tabs, or an answer that got lost."""


class NoSession(Message):
    kind: Literal["absent"] = "absent"


class Session(Message):
    kind: Literal["present"] = "present"
    generation: int = 0
    refreshed_at: datetime | None = None
    expires_at: datetime
    ended: bool = False


SessionState = NoSession | Session


def decide(
    session: SessionState, command: SessionCommand, meta: Metadata
) -> Sequence[SessionEvent]:
    """Raises `NotAuthenticated` or `Conflict`."""
    if isinstance(command, StartSession):
        if isinstance(session, Session):
            raise Conflict("A session with this id exists already")
        return [SessionStarted.model_validate(command.model_dump())]
    if isinstance(session, NoSession):
        raise NotAuthenticated("Invalid or expired refresh token")
    match command:
        case RefreshSession():
            return _refresh(session, command, meta.now)
        case EndSession(session_id=session_id):
            return [] if session.ended else [SessionEnded(session_id=session_id, reason="logout")]


def _refresh(session: Session, command: RefreshSession, now: datetime) -> Sequence[SessionEvent]:
    if session.ended or session.expires_at <= now or command.generation > session.generation:
        raise NotAuthenticated("Invalid or expired refresh token")
    if command.generation == session.generation:
        return [
            SessionRefreshed(
                session_id=command.session_id,
                generation=session.generation + 1,
                refreshed_at=now,
                expires_at=command.expires_at,
            )
        ]
    just_spent = command.generation == session.generation - 1
    if just_spent and session.refreshed_at is not None and now <= session.refreshed_at + GRACE:
        return []
    return [SessionEnded(session_id=command.session_id, reason="reuse")]


def evolve(session: SessionState, event: SessionEvent) -> SessionState:
    """Never raises."""
    match event:
        case SessionStarted(expires_at=expires_at):
            return Session(expires_at=expires_at)
        case SessionRefreshed() if isinstance(session, Session):
            return Session(
                generation=event.generation,
                refreshed_at=event.refreshed_at,
                expires_at=event.expires_at,
            )
        case SessionEnded() if isinstance(session, Session):
            return session.model_copy(update={"ended": True})
        case SessionRefreshed() | SessionEnded():
            return session


session_decider: Decider[SessionState, SessionCommand, SessionEvent] = Decider(
    aggregate="session",
    initial=NoSession(),
    state=TypeAdapter(Annotated[SessionState, Field(discriminator="kind")]),
    decide=decide,
    evolve=evolve,
)
