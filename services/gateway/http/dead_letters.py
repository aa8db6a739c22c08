"""/v1/system/dead-letters: work for the caller's tenant that was given up."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from services.gateway.http.context import AdminDep
from shared.kernel.errors import NotAuthenticated, NotPermitted, Unavailable
from shared.web.problem import responses

router = APIRouter(tags=["system"])


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


@router.get(
    "/v1/system/dead-letters", responses=responses(NotAuthenticated, NotPermitted, Unavailable)
)
async def dead_letters(caller: AdminDep) -> list[DeadLetterOut]:
    """What was given up and not done since, newest first, 100 at most."""
    found = await caller.gateway.letters.of_tenant(caller.tenant_id)
    return [DeadLetterOut.model_validate(letter.model_dump()) for letter in found]
