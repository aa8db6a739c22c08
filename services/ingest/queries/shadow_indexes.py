"""Questions about the indexes of runs that are under way."""

from collections.abc import Sequence

from sqlalchemy import select

from services.ingest.tables import shadow_indexes
from shared.adapters.read_model import ReadModelStore
from shared.contracts.chat_index import IndexSettings


class ShadowIndexRows:
    """Reads the model `ingest_sources` for what runs need of it."""

    def __init__(self, store: ReadModelStore) -> None:
        self._store = store

    async def settings(self, tenant_id: str, run_id: str) -> Sequence[IndexSettings]:
        """Of the run's indexes, by number; none once it is over."""
        mine = shadow_indexes.c
        query = select(mine.settings).where(mine.tenant_id == tenant_id, mine.run_id == run_id)
        async with self._store.reading(tenant_id) as db:
            found = await db.scalar(query)
        return [IndexSettings.model_validate(one) for one in found or ()]

    async def of_bot(self, tenant_id: str, bot_profile_id: str) -> Sequence[str]:
        """Ids of runs of the bot that have indexes of their own."""
        mine = shadow_indexes.c
        query = select(mine.run_id).where(
            mine.tenant_id == tenant_id, mine.bot_profile_id == bot_profile_id
        )
        async with self._store.reading(tenant_id) as db:
            return (await db.scalars(query)).all()
