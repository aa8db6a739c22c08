"""Questions about the indexes of runs that are under way."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select, true

from services.chat.domain.shadow_index import ShadowIndex
from services.chat.ports import Knowledge
from services.chat.queries.index import MANDATORY, IndexedSource
from services.chat.tables import shadow_indexes, shadow_sources
from shared.adapters.read_model import ReadModelStore


class ShadowIndexQueries:
    """Reads the model `chat_index` for what runs ask beside the bots' own indexes."""

    def __init__(self, store: ReadModelStore) -> None:
        self._store = store

    def of(self, index: ShadowIndex) -> "ShadowRows":
        """What the retriever asks of one of them."""
        return ShadowRows(self._store, index)

    async def whole(self, tenant_id: str, bot_profile_id: str) -> Sequence[str]:
        """Runs of the bot whose indexes have every source that they are to have."""
        mine, its = shadow_indexes.c, shadow_sources.c
        missing = (
            select(its.source_id)
            .where(its.tenant_id == mine.tenant_id, its.run_id == mine.run_id, ~its.made)
            .exists()
        )
        query = (
            select(mine.run_id)
            .where(mine.tenant_id == tenant_id, mine.bot_profile_id == bot_profile_id, ~missing)
            .distinct()
        )
        async with self._store.reading(tenant_id) as db:
            return (await db.scalars(query)).all()

    async def of_bot(self, tenant_id: str, bot_profile_id: str) -> Sequence[str]:
        """Runs of the bot that have indexes of their own."""
        mine = shadow_indexes.c
        query = (
            select(mine.run_id)
            .where(mine.tenant_id == tenant_id, mine.bot_profile_id == bot_profile_id)
            .distinct()
        )
        async with self._store.reading(tenant_id) as db:
            return (await db.scalars(query)).all()

    async def collection(self, tenant_id: str, index: ShadowIndex) -> str | None:
        """The vector index that belongs to it as of now; None once its run is over."""
        mine = shadow_indexes.c
        query = select(mine.collection).where(
            mine.tenant_id == tenant_id,
            mine.run_id == index.run_id,
            mine.number == index.number,
        )
        async with self._store.reading(tenant_id) as db:
            found: str | None = await db.scalar(query)
        return found

    async def collection_names(self) -> frozenset[str]:
        """Every vector index that the rows point to."""
        async with self._store.engine.connect() as db:
            return frozenset(await db.scalars(select(shadow_indexes.c.collection)))


@dataclass(frozen=True)
class ShadowRows:
    """What answers in a shadow index: its sources as they were when they were put in."""

    store: ReadModelStore
    index: ShadowIndex

    async def knowledge(self, tenant_id: str, bot_profile_id: str) -> Sequence[Knowledge]:
        """One entry, or none if nothing is in it."""
        mine, its = shadow_indexes.c, shadow_sources.c
        mandatory = (its.authority == MANDATORY).is_(true())
        query = (
            select(
                mine.collection,
                mine.dimension,
                mine.embedding_model,
                func.array_agg(its.language).label("languages"),
                func.array_agg(its.source_id).filter(mandatory).label("binding"),
            )
            .join(
                shadow_sources,
                (its.tenant_id == mine.tenant_id)
                & (its.run_id == mine.run_id)
                & (its.number == mine.number),
            )
            .where(
                mine.tenant_id == tenant_id,
                mine.bot_profile_id == bot_profile_id,
                mine.run_id == self.index.run_id,
                mine.number == self.index.number,
                its.made,
                its.is_active,
            )
            .group_by(mine.collection, mine.dimension, mine.embedding_model)
        )
        async with self.store.reading(tenant_id) as db:
            row = (await db.execute(query)).one_or_none()
        if row is None:
            return []
        return [
            Knowledge(
                row.collection,
                row.dimension,
                row.embedding_model,
                frozenset(row.languages),
                tuple(sorted(row.binding or ())),
                0,
            )
        ]

    async def standing(
        self, tenant_id: str, bot_profile_id: str, source_ids: Collection[str]
    ) -> tuple[Mapping[str, IndexedSource], Sequence[Knowledge]]:
        """Which of these sources may answer, in which revision; and what it all is, behind it."""
        its = shadow_sources.c
        query = select(shadow_sources).where(
            its.tenant_id == tenant_id,
            its.run_id == self.index.run_id,
            its.number == self.index.number,
            its.source_id.in_(source_ids),
            its.made,
            its.is_active,
        )
        async with self.store.reading(tenant_id) as db:
            rows = (await db.execute(query)).all()
        found = {
            row.source_id: IndexedSource(
                row.revision,
                row.name,
                row.title,
                row.url,
                row.text_ref,
                row.authority,
                row.language,
                0,
            )
            for row in rows
        }
        return found, await self.knowledge(tenant_id, bot_profile_id)

    def forget(self, tenant_id: str) -> None:
        """Nothing is kept between two looks."""
