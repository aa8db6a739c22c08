"""Which index a variant is asked of: the bot's own, or one that the run has made for it."""

from dataclasses import dataclass

from services.chat.domain.bots import changed
from services.chat.domain.overrides import INDEXED
from shared.contracts.chat import BotSettings
from shared.contracts.chat_playground import RunPlan, Variant
from shared.kernel.errors import InvalidCommand

FIRST_STRETCH = 1
"""Of a run with indexes: before it they are made."""


@dataclass(frozen=True, slots=True)
class ShadowIndex:
    """One of a run's indexes."""

    run_id: str
    number: int


def indexed(base: BotSettings, variant: Variant, where: str) -> BotSettings:
    """`base` with what the variant changes of the index, and nothing else: credentials are for the
    published model. Raises `InvalidCommand`; `where` stands before the field's name.
    """
    changes = {name: value for name, value in variant.changes.items() if name in INDEXED}
    return changed(base, changes, where)


def check_indexes(plan: RunPlan) -> None:
    """Raise `InvalidCommand` for a variant of an index that the plan does not have."""
    for n, variant in enumerate(plan.variants):
        if variant.index is not None and not 0 <= variant.index < len(plan.indexes):
            raise InvalidCommand("The run has no such index", field=f"variants.{n}.index")
