"""What may happen to an API token."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from shared.contracts.base import Message, Metadata
from shared.contracts.gateway import (
    ApiTokenCommand,
    ApiTokenEvent,
    ApiTokenIssued,
    ApiTokenRevoked,
    ApiTokenUsed,
    IssueApiToken,
    RecordTokenUse,
    RevokeApiToken,
)
from shared.kernel.decider import Decider
from shared.kernel.errors import Conflict, NotFound

USE_TOLD_EVERY = timedelta(minutes=10)
"""How often a token's use becomes a fact at most, however many gateways see it."""


class NoToken(Message):
    kind: Literal["absent"] = "absent"


class Token(Message):
    kind: Literal["present"] = "present"
    token_hash: str
    revoked: bool = False
    used_at: datetime | None = None


TokenState = NoToken | Token


def decide(token: TokenState, command: ApiTokenCommand, _meta: Metadata) -> Sequence[ApiTokenEvent]:
    """Issue once, revoke as often as wanted. Raises `NotFound` or `Conflict`."""
    if isinstance(command, IssueApiToken):
        if isinstance(token, Token):
            raise Conflict("A token with this id exists already")
        return [ApiTokenIssued.model_validate(command.model_dump())]
    if isinstance(token, NoToken):
        raise NotFound("Token not found")
    match command:
        case RevokeApiToken(token_id=token_id):
            if token.revoked:
                return []
            return [ApiTokenRevoked(token_id=token_id, token_hash=token.token_hash)]
        case RecordTokenUse(token_id=token_id, used_at=used_at):
            if token.used_at is not None and used_at < token.used_at + USE_TOLD_EVERY:
                return []
            return [ApiTokenUsed(token_id=token_id, used_at=used_at)]


def evolve(token: TokenState, event: ApiTokenEvent) -> TokenState:
    """Never raises."""
    match event:
        case ApiTokenIssued(token_hash=token_hash):
            return Token(token_hash=token_hash)
        case ApiTokenRevoked() if isinstance(token, Token):
            return token.model_copy(update={"revoked": True})
        case ApiTokenUsed(used_at=used_at) if isinstance(token, Token):
            return token.model_copy(update={"used_at": used_at})
        case ApiTokenRevoked() | ApiTokenUsed():
            return token


token_decider: Decider[TokenState, ApiTokenCommand, ApiTokenEvent] = Decider(
    aggregate="api_token",
    initial=NoToken(),
    state=TypeAdapter(Annotated[TokenState, Field(discriminator="kind")]),
    decide=decide,
    evolve=evolve,
)
