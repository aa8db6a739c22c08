"""/v1/stats/unanswered: what bots could not answer, to close the gaps in their sources."""

from datetime import timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from services.gateway.http import lists
from services.gateway.http.context import CallerDep, Id, Timestamp
from shared.contracts.chat_history import ListUnanswered, UnansweredView, UnansweredViews
from shared.kernel.errors import InvalidCommand, NotAuthenticated
from shared.web.pagination import HEADERS, WindowDep
from shared.web.problem import responses

router = APIRouter(prefix="/v1/stats", tags=["stats"])

LISTED = 50
LISTED_AT_MOST = 200
DAYS_AT_MOST = 3660


class UnansweredOut(BaseModel):
    id: str
    question: str
    count: int
    reason: str
    """Of the last time: `nothing_found`, `below_floor`, or `not_grounded` if a model answered
    without citing anything.
    """
    best_score: float | None
    """The best evidence that was ever found for it; the bot's floor is what it is held against."""
    bot_profile_id: str
    chat_id: str
    turn_id: str
    first_asked_at: Timestamp
    last_asked_at: Timestamp


@router.get(
    "/unanswered",
    response_model=list[UnansweredOut],
    responses={**responses(NotAuthenticated, InvalidCommand), 200: {"headers": HEADERS}},
)
async def unanswered(
    request: Request,
    caller: CallerDep,
    window: WindowDep,
    bot_profile_id: Id | None = None,
    days: Annotated[int | None, Query(ge=1, le=DAYS_AT_MOST)] = None,
    by: Annotated[
        Literal["recent", "count"], Query(description="The last asked first, or the most often.")
    ] = "recent",
) -> Response:
    """Questions that bots did not answer from their sources; the same question is one entry."""
    since = None if days is None else caller.metadata.now - timedelta(days=days)
    question = ListUnanswered(bot_profile_id=bot_profile_id, asked_from=since, by=by)
    size = window.size(LISTED, LISTED_AT_MOST)
    return await lists.answer(request, caller, question, UnansweredViews, shown, window, size=size)


def shown(view: UnansweredView) -> UnansweredOut:
    return UnansweredOut.model_validate(view.model_dump())
