"""What a run would need indexes of its own for."""

from collections.abc import Awaitable, Callable, Sequence

from services.chat.domain.shadow_index import indexed
from shared.contracts.chat import BotSettings
from shared.contracts.chat_index import IndexSettings
from shared.contracts.chat_playground import Variant
from shared.kernel.errors import InvalidCommand

Wanted = Callable[[str, BotSettings], Awaitable[IndexSettings]]
"""What the settings of a tenant's bot come to."""


class ShadowPlans:
    """Variants that are cut and embedded alike share an index."""

    def __init__(self, wanted: Wanted, bundled: str) -> None:
        self._wanted = wanted
        self._bundled = bundled

    async def __call__(
        self, tenant_id: str, base: BotSettings, variants: Sequence[Variant]
    ) -> tuple[tuple[Variant, ...], tuple[IndexSettings, ...]]:
        """The variants with the numbers of their indexes, and these. Raise `InvalidCommand`."""
        own = await self._wanted(tenant_id, base)
        indexes: list[IndexSettings] = []
        planned = []
        for n, variant in enumerate(variants):
            where = f"variants.{n}"
            bot = indexed(base, variant, where)
            settings = await self._wanted(tenant_id, bot)
            if "embedding_model" in variant.changes:
                self._check(bot.embedding_model, settings, where)
            if settings == own:
                planned.append(variant)
                continue
            if settings not in indexes:
                indexes.append(settings)
            planned.append(variant.model_copy(update={"index": indexes.index(settings)}))
        return tuple(planned), tuple(indexes)

    def _check(self, named: str | None, settings: IndexSettings, where: str) -> None:
        """A bot's settings may name what it has no way to: then the bundled model is used. A run
        would compare that with itself, and nobody would know.
        """
        if named in (None, self._bundled) or settings.embedder == named:
            return
        raise InvalidCommand(
            f"embedding_model: the bot has no way to {named}: it needs a key or an address for it, "
            "or the model is not installed here",
            field=f"{where}.embedding_model",
        )
