"""/v1/bot-profiles/{id}/versions: what a bot was, who made it so, and the way back."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, Field

from services.gateway.http import lists
from services.gateway.http.bot_profiles import BotProfileOut, bot_out
from services.gateway.http.context import AdminDep, Caller, CallerDep, Id, Text, Timestamp
from shared.contracts.chat import (
    BotProfileView,
    GetBotProfile,
    Publication,
    UpdateBotProfile,
)
from shared.contracts.chat_playground import VARIANTS
from shared.contracts.chat_playground_views import (
    BotVersionView,
    BotVersionViews,
    GetBotVersion,
    GetRun,
    ListBotVersions,
    RunView,
)
from shared.kernel.errors import (
    Conflict,
    InvalidCommand,
    NotAuthenticated,
    NotFound,
    NotPermitted,
)
from shared.web.pagination import HEADERS, WindowDep
from shared.web.problem import responses

router = APIRouter(prefix="/v1/bot-profiles/{bot_profile_id}", tags=["playground"])

CHANGED = responses(NotAuthenticated, NotPermitted, NotFound, InvalidCommand, Conflict)
STAYS = frozenset({"name", "description", "is_active", "credentials_ref", "gate_suite_id"})
"""Settings that a restored version does not bring back: they do not shape answers, or are secret.
What makes the index comes back, and the bot is indexed so again.
"""
Reason = Annotated[Text, Field(max_length=1000)]


class PublishIn(BaseModel):
    variant: Annotated[int, Field(ge=0, lt=VARIANTS)]
    reason: Reason = ""


class RestoreIn(BaseModel):
    reason: Reason = ""


class BotVersionOut(BaseModel):
    version: int
    at: Timestamp
    actor: str
    """Who made it: `user/…` or `token/…`."""
    actor_name: str | None
    """What that user or token is called, revoked tokens too. Null: an erased user."""
    reason: str
    run_id: str | None
    """The run that proved it."""
    variant: int | None
    score: float | None
    """The mean of that variant in that run."""
    restores: int | None
    """The version whose settings these are again."""
    model: str
    system_prompt: str
    temperature: float
    max_tokens: int
    floor: float | None
    top_k: int | None
    lexical_weight: float | None


@router.post("/playground/runs/{run_id}/publish", responses=CHANGED)
async def publish(
    bot_profile_id: Id, run_id: Id, body: PublishIn, caller: AdminDep
) -> BotProfileOut:
    """Let the bot answer as a variant of a run did. With `gate_suite_id` it must be a run of that
    suite, in which the variant is not significantly worse.
    """
    run = await caller.ask(GetRun(bot_profile_id=bot_profile_id, run_id=run_id), RunView)
    if body.variant >= len(run.plan.variants):
        raise InvalidCommand("The run has no such variant", field="variant")
    told = Publication(reason=body.reason, run_id=run_id, variant=body.variant)
    command = UpdateBotProfile(
        bot_profile_id=bot_profile_id,
        changes=run.plan.variants[body.variant].changes,
        of_version=run.plan.bot_version,
        publication=told,
    )
    await caller.order(command)
    return await _bot(caller, bot_profile_id)


@router.get(
    "/versions",
    response_model=list[BotVersionOut],
    responses={
        **responses(NotAuthenticated, NotFound, InvalidCommand),
        200: {"headers": HEADERS},
    },
)
async def list_versions(
    request: Request, bot_profile_id: Id, caller: CallerDep, window: WindowDep
) -> Response:
    """All that the bot was, newest first: who made it so, when, why, and with which score."""
    await _bot(caller, bot_profile_id)
    question = ListBotVersions(bot_profile_id=bot_profile_id)
    shown = partial(_out, await caller.gateway.identity.actors(caller.tenant_id))
    return await lists.answer(request, caller, question, BotVersionViews, shown, window)


@router.post("/versions/{version}/restore", responses=CHANGED)
async def restore(
    bot_profile_id: Id,
    version: Annotated[int, Path(ge=1, le=2**31 - 1)],
    body: RestoreIn,
    caller: AdminDep,
) -> BotProfileOut:
    """Let the bot answer as it did in an earlier version. That is a version of its own."""
    question = GetBotVersion(bot_profile_id=bot_profile_id, version=version)
    before = await caller.ask(question, BotVersionView)
    changes = before.settings.model_dump(mode="json", exclude=set(STAYS))
    told = Publication(reason=body.reason, restores=version)
    command = UpdateBotProfile(bot_profile_id=bot_profile_id, changes=changes, publication=told)
    await caller.order(command)
    return await _bot(caller, bot_profile_id)


async def _bot(caller: Caller, bot_profile_id: str) -> BotProfileOut:
    question = GetBotProfile(bot_profile_id=bot_profile_id)
    return bot_out(await caller.ask(question, BotProfileView))


def _out(names: Mapping[str, str], version: BotVersionView) -> BotVersionOut:
    told = version.model_dump(exclude={"settings"}) | {"actor_name": names.get(version.actor)}
    return BotVersionOut.model_validate(version.settings.model_dump() | told)
