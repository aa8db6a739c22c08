"""How the model's part of a turn went, and what it is given when it cannot take all."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.chat.domain.prompt import Turn
from services.chat.ports import Found, Spent
from shared.contracts.chat import Usage

WITHHELD = "answer_withheld"
"""The code of a turn whose model told nothing but its prompt."""
TOO_LONG = "llm_context_too_long"
FEW = 2
"""Passages for a model that cannot take them all."""


class Leaked(Exception):
    """The model began to tell the prompt itself."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """How the model's answer went."""

    spent: Spent | None = None
    """None if it was ended before its end."""
    first_token_ms: float | None = None
    leaked: bool = False


def shorter(
    context: Sequence[Found], history: Sequence[Turn]
) -> tuple[Sequence[Found], Sequence[Turn]] | None:
    """What is given up first: the conversation, then the last passages; None: nothing more."""
    if history:
        return context, ()
    return (context[:FEW], ()) if len(context) > FEW else None


def usage(spent: Spent, *besides: Spent | None) -> Usage:
    """What the answer took, and the tasks around it."""
    parts = [spent, *(part for part in besides if part is not None)]
    return Usage(
        model=spent.model,
        prompt_tokens=sum(part.prompt_tokens for part in parts),
        completion_tokens=sum(part.completion_tokens for part in parts),
    )
