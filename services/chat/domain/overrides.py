"""A bot as it would be with some of its settings changed: for good, or for one question."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from shared.contracts.chat import BotSettings
from shared.kernel.errors import InvalidCommand

TRIED = frozenset(
    {
        *("system_prompt", "model", "temperature", "max_tokens"),
        *("floor", "top_k", "lexical_weight", "refusal_text", "check_claims"),
    }
)
"""Fields of `BotSettings` that take effect at once, on nothing but the answer."""
INDEXED = frozenset({"chunk_size", "chunk_overlap", "embedding_model"})
"""Those that need an index of their own; a run has one made for them."""

S = TypeVar("S", bound=BotSettings)


def overridden(settings: S, changes: Mapping[str, Any], where: str = "") -> S:
    """`settings` with other values for the named fields. Raises `InvalidCommand`; `where` stands
    before the field's name.
    """
    try:
        return type(settings).model_validate(settings.model_dump() | dict(changes))
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        raise InvalidCommand(f"{name}: {first['msg']}", field=field_of(where, name)) from error


def check_changes(changes: Mapping[str, Any], where: str = "") -> None:
    """Raise `InvalidCommand` for what a variant cannot try, as `overridden` does."""
    for name in changes:
        if name not in TRIED | INDEXED:
            raise InvalidCommand(f"{name} cannot be tried", field=field_of(where, name))
    overridden(BotSettings(name="tried"), changes, where)


def field_of(where: str, name: str) -> str:
    """A field by its whole name."""
    return f"{where}.{name}" if where else name
