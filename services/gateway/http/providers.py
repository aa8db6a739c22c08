"""/v1/providers: whether a language model can be used with a key."""

import base64
from typing import Annotated

import orjson
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from services.gateway.http.bot_profiles import checked
from services.gateway.http.context import AdminDep, Id, Text
from shared.contracts.chat_providers import Outcome, ProviderTrial, TryProvider, trial_name
from shared.kernel.errors import InvalidCommand, NotAuthenticated, NotFound, NotPermitted
from shared.web.problem import responses

router = APIRouter(prefix="/v1/providers", tags=["bot profiles"])

LONGEST_KEY = 4096
WAIT_SECONDS = 25.0
"""More than the owner waits for the provider."""


class ProviderKey(BaseModel):
    """A key that is tried, and kept nowhere."""

    model_config = ConfigDict(extra="forbid")

    api_key: SecretStr | None = None
    api_base: Annotated[Text, Field(min_length=1, max_length=2048)] | None = None
    api_version: Annotated[Text, Field(min_length=1, max_length=100)] | None = None


class TrialIn(BaseModel):
    model: Annotated[Text, Field(min_length=1, max_length=100)]
    bot_profile_id: Id | None = None
    """Whose stored credentials are tried."""
    credentials: ProviderKey | None = None
    """Tried in place of stored ones; null and no bot: what the operator has set."""


class TrialOut(BaseModel):
    outcome: Outcome
    detail: str
    model: str
    latency_ms: float
    """Of the whole call."""


@router.post("/test", responses=responses(NotAuthenticated, NotPermitted, NotFound, InvalidCommand))
async def try_key(body: TrialIn, caller: AdminDep) -> TrialOut:
    """Ask a model for a word, and tell how that went. It costs a few tokens."""
    sealed = None
    if body.credentials is not None:
        name = trial_name(caller.tenant_id)
        entered = caller.gateway.vault.seal(name, orjson.dumps(_entered(body.credentials)))
        sealed = base64.b64encode(entered).decode()
    question = TryProvider(model=body.model, bot_profile_id=body.bot_profile_id, sealed=sealed)
    bus = caller.gateway.bus
    found = await bus.ask(question, ProviderTrial, caller.metadata, timeout=WAIT_SECONDS)
    return TrialOut.model_validate(found.model_dump())


def _entered(credentials: ProviderKey) -> dict[str, str]:
    """Raise `InvalidCommand`, which does not repeat what was sent, as a constraint would."""
    shown = credentials.model_dump(exclude_none=True)
    if credentials.api_key is not None:
        key = shown["api_key"] = credentials.api_key.get_secret_value()
        if len(key) > LONGEST_KEY:
            raise InvalidCommand("api_key is too long", field="credentials.api_key")
    return checked(shown)
