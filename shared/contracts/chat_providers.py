"""A question to the chat service: whether a language model can be used."""

from typing import ClassVar, Literal

from shared.contracts.base import Message, Question

Outcome = Literal[
    "works",
    "no_key",
    "bad_key",
    "no_quota",
    "rate_limited",
    "misconfigured",
    "unreachable",
    "failed",
]
"""`misconfigured`: the provider does not know the model, or the address cannot be used."""


class ProviderTrial(Message):
    """How one call of a model went."""

    outcome: Outcome
    detail: str
    """In words without anything of the provider's."""
    model: str
    latency_ms: float


class TryProvider(Question[ProviderTrial]):
    """Ask a model for a word or two, with a bot's credentials, others, or the operator's."""

    service: ClassVar[str] = "chat"
    name: ClassVar[str] = "try_provider"
    model: str
    bot_profile_id: str | None = None
    """Whose stored credentials are used."""
    sealed: str | None = None
    """Credentials to be used in place of stored ones: base64 of JSON that the vault has sealed
    under `trial_name`, so that no key crosses the broker in clear.
    """


def trial_name(tenant_id: str) -> str:
    """Under which name credentials of this tenant are sealed to be tried."""
    return f"{tenant_id}.trial"
