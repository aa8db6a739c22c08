"""/v1/system/dead-letters: work for the caller's tenant that was given up."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Query, status
from pydantic import BaseModel

from services.gateway.http.context import AdminDep, Caller, Id, Timestamp, timestamp
from services.gateway.ports import DeadLetter
from shared.contracts.gateway_letters import (
    DiscardDeadLetter,
    GetLetterStates,
    LetterStates,
    LetterStatus,
    ListSettledLetters,
    ReplayDeadLetter,
    SettledLetter,
    SettledLetters,
)
from shared.kernel.errors import (
    Conflict,
    NotAuthenticated,
    NotFound,
    NotPermitted,
    Unavailable,
)
from shared.web.problem import responses

router = APIRouter(prefix="/v1/system/dead-letters", tags=["system"])

CHANGED = responses(NotAuthenticated, NotPermitted, NotFound, Conflict, Unavailable)
SETTLED = ("replayed", "discarded")
"""What became of letters that are taken away."""
State = Literal["open", "replayed", "discarded"]
"""`open`: something may still become of it."""


class DeadLetterOut(BaseModel):
    """A message that failed at every attempt. The operator has its reason and its content."""

    id: str
    given_up: str
    """When, in ISO 8601."""
    service: str
    kind: Literal["event", "command", "job", "timer"]
    """`event`: what was to follow from it did not; the others: it was not done."""
    aggregate: str
    aggregate_id: str
    name: str
    """Of the event, the order or the job."""
    status: LetterStatus
    """`ordered`: it is to be done once more. `failed`: that failed too."""
    settled_at: Timestamp | None
    """When it was done once more or discarded; null: it is open."""
    settled_by: str | None
    """Who ordered that: `user/<id>`, `session/<id>` or `token/<id>`."""
    user_id: str | None
    """Whose session or token it was."""


class DeadLetterStateOut(BaseModel):
    id: str
    status: LetterStatus


@router.get("", responses=responses(NotAuthenticated, NotPermitted, Unavailable))
async def dead_letters(
    caller: AdminDep,
    state: Annotated[
        State, Query(description="`replayed` or `discarded`: those that ended so.")
    ] = "open",
) -> list[DeadLetterOut]:
    """What was given up and not done since, newest first, 100 at most; or what was settled by
    people of the tenant, and by whom, the last settled first.
    """
    if state != "open":
        settled = await caller.ask(ListSettledLetters(status=state), SettledLetters)
        return [_settled(letter) for letter in settled.letters]
    found = await caller.gateway.letters.of_tenant(caller.tenant_id)
    states = await _states(caller, *(letter.id for letter in found))
    return undecided(found, states)


@router.post("/{dead_letter_id}/replay", responses=CHANGED)
async def replay(dead_letter_id: Id, caller: AdminDep) -> DeadLetterStateOut:
    """Have it done once more, by the service that gave it up. While that is on its way, asking
    again changes nothing; if it fails, the letter stays.
    """
    await caller.order(ReplayDeadLetter(dead_letter_id=dead_letter_id))
    states = await _states(caller, dead_letter_id)
    return DeadLetterStateOut(id=dead_letter_id, status=states[dead_letter_id])


@router.delete("/{dead_letter_id}", status_code=status.HTTP_204_NO_CONTENT, responses=CHANGED)
async def discard(dead_letter_id: Id, caller: AdminDep) -> None:
    """Let it go: what was given up is not done, and its content is overwritten."""
    await caller.order(DiscardDeadLetter(dead_letter_id=dead_letter_id))


def undecided(
    found: Sequence[DeadLetter], states: Mapping[str, LetterStatus]
) -> list[DeadLetterOut]:
    """Letters that something may still become of. One is stored before it is told of, and has no
    state until then: nobody can decide about it. One that is settled lies there until its content
    is overwritten.
    """
    return [
        DeadLetterOut(
            **letter.model_dump(),
            status=states[letter.id],
            settled_at=None,
            settled_by=None,
            user_id=None,
        )
        for letter in found
        if letter.id in states and states[letter.id] not in SETTLED
    ]


def _settled(letter: SettledLetter) -> DeadLetterOut:
    given_up = DeadLetter.about(
        letter.subject,
        id=letter.id,
        given_up=timestamp(letter.given_up),
        service=letter.service,
    )
    return DeadLetterOut(
        **given_up.model_dump(),
        status=letter.status,
        settled_at=letter.settled_at,
        settled_by=letter.settled_by,
        user_id=letter.user_id,
    )


async def _states(caller: Caller, *ids: str) -> Mapping[str, LetterStatus]:
    return (await caller.ask(GetLetterStates(ids=ids), LetterStates)).states
