"""A bot as it would be with some of its settings changed, for one question."""

from collections.abc import Mapping
from typing import Any

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
"""Those that need an index of their own."""


def overridden(bot: BotSettings, changes: Mapping[str, Any]) -> BotSettings:
    """`bot` with `changes`. Raises `InvalidCommand` as `check_changes` does."""
    check_changes(changes)
    return BotSettings.model_validate(bot.model_dump() | dict(changes))


def check_changes(changes: Mapping[str, Any], where: str = "") -> None:
    """Raise `InvalidCommand` for what cannot be tried; `where` stands before the field's name."""
    for name in changes:
        field = f"{where}.{name}" if where else name
        if name in INDEXED:
            raise InvalidCommand(
                f"{name} needs an index of its own: change it in the bot's settings", field=field
            )
        if name not in TRIED:
            raise InvalidCommand(f"{name} cannot be tried", field=field)
    try:
        BotSettings.model_validate({"name": "tried"} | dict(changes))
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        field = f"{where}.{name}" if where else name
        raise InvalidCommand(f"{name}: {first['msg']}", field=field) from error
