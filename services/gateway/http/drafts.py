"""Settings of a bot that are tried before they are saved."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from services.gateway.http.bot_profiles import LinkHosts, Share, TopK
from services.gateway.http.context import Caller, Text, given
from services.gateway.http.permissions import demand


class BotDraftIn(BaseModel):
    """Settings for this answer alone; what is left out is as the bot has it.

    Credentials are no part of it, nor is what makes the bot's index.
    """

    model_config = ConfigDict(extra="forbid")

    model: Annotated[Text, Field(max_length=100)] = ""
    system_prompt: Text = ""
    temperature: Annotated[float, Field(ge=0, le=2)] = 0
    max_tokens: Annotated[int, Field(ge=1, le=128_000)] = 1
    floor: Share = None
    top_k: TopK = None
    """Passages that the model gets at most."""
    lexical_weight: Share = None
    """Of the lexical ranking in the fused one; the dense ranking has the rest."""
    refusal_text: Annotated[Text, Field(min_length=1, max_length=1000)] | None = None
    check_claims: bool = False
    fallback_models: Annotated[
        list[Annotated[Text, Field(min_length=1, max_length=100)]], Field(max_length=3)
    ] = []
    link_hosts: LinkHosts = []


def draft_of(body: BotDraftIn | None, caller: Caller) -> dict[str, Any] | None:
    """The fields that were sent. Raises `NotPermitted` unless the caller may change the bot."""
    if body is None:
        return None
    demand(caller.principal, "write")
    return given(body)
