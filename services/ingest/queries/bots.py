"""Questions about what ingest knows of bots and their indexes."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from sqlalchemy import BigInteger, select

from services.ingest.domain.prices import chunks_of, tokens_of
from services.ingest.ports import BotIndexed
from services.ingest.tables import bots, revisions, sources
from shared.adapters.read_model import ReadModelStore
from shared.contracts.base import Metadata
from shared.contracts.chat_index import IndexSettings
from shared.contracts.ingest_shadow import EstimateReindex, ReindexEstimate

Price = Callable[[str], Awaitable[float | None]]
"""Dollars per token of an embedding model; None if nobody knows."""


class Choosing(Protocol):
    """What the settings of an index come to."""

    def sizes(self, settings: IndexSettings) -> tuple[int, int]: ...


class BotRows:
    """Reads the model `ingest_sources` for what concerns a whole bot."""

    def __init__(self, store: ReadModelStore) -> None:
        self._store = store

    async def bot(self, tenant_id: str, bot_profile_id: str) -> BotIndexed:
        query = select(bots).where(
            bots.c.tenant_id == tenant_id, bots.c.bot_profile_id == bot_profile_id
        )
        async with self._store.reading(tenant_id) as db:
            row = (await db.execute(query)).one_or_none()
        if row is None:
            return BotIndexed(0, IndexSettings(), None, None, "", None)
        building = row.building_settings
        return BotIndexed(
            generation=row.generation,
            settings=IndexSettings.model_validate(row.settings),
            building=row.building,
            building_settings=None if building is None else IndexSettings.model_validate(building),
            chat_model=row.model,
            credentials_ref=row.credentials_ref,
        )

    async def current_sources(
        self, tenant_id: str, bot_profile_id: str, after: str, limit: int
    ) -> Sequence[str]:
        query = (
            select(sources.c.id)
            .where(
                sources.c.tenant_id == tenant_id,
                sources.c.bot_profile_id == bot_profile_id,
                sources.c.id > after,
                sources.c.revision > 0,
                ~sources.c.deleted,
            )
            .order_by(sources.c.id)
            .limit(limit)
        )
        async with self._store.reading(tenant_id) as db:
            return (await db.scalars(query)).all()

    async def characters(self, tenant_id: str, bot_profile_id: str) -> Sequence[int]:
        """Of each current source's text."""
        characters = revisions.c.prepared["characters"].astext.cast(BigInteger)
        query = (
            select(characters)
            .join(
                sources,
                (sources.c.tenant_id == revisions.c.tenant_id)
                & (sources.c.id == revisions.c.source_id)
                & (sources.c.revision == revisions.c.revision),
            )
            .where(
                sources.c.tenant_id == tenant_id,
                sources.c.bot_profile_id == bot_profile_id,
                ~sources.c.deleted,
            )
        )
        async with self._store.reading(tenant_id) as db:
            return (await db.scalars(query)).all()


class EstimateQueries:
    """Tells what another index of a bot would take."""

    def __init__(self, rows: BotRows, choosing: Choosing, price: Price, bundled: str) -> None:
        self._rows = rows
        self._choosing = choosing
        self._price = price
        self._bundled = bundled

    async def estimate(self, question: EstimateReindex, meta: Metadata) -> ReindexEstimate:
        """Zeros for a bot without sources."""
        bot = await self._rows.bot(meta.tenant_id, question.bot_profile_id)
        settings = question.settings
        model = settings.embedder or self._bundled
        size, overlap = self._choosing.sizes(settings)
        texts = await self._rows.characters(meta.tenant_id, question.bot_profile_id)
        tokens = sum(tokens_of(characters, size, overlap) for characters in texts)
        price = 0.0 if model.startswith("local/") else await self._price(model)
        return ReindexEstimate(
            settings=settings,
            needed=settings != bot.settings,
            sources=len(texts),
            chunks=sum(chunks_of(characters, size, overlap) for characters in texts),
            tokens=tokens,
            price_usd=None if price is None else price * tokens,
        )
