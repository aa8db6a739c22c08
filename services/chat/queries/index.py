"""Questions about the retrieval index."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select, true

from services.chat.ports import Knowledge
from services.chat.tables import collections, indexed_sources
from shared.adapters.read_model import ReadModelStore

MANDATORY = "mandatory"
HOST = "^https?://([A-Za-z0-9.-]+)"
MOST_HOSTS = 5000
"""Of one bot, that are known; nobody links to more."""


@dataclass(frozen=True, slots=True)
class IndexedSource:
    """The revision of a source that answers now."""

    revision: int
    name: str
    title: str | None
    url: str | None
    text_ref: str
    authority: str | None
    language: str | None


class IndexQueries:
    """Reads the model `chat_index`."""

    def __init__(self, store: ReadModelStore) -> None:
        self._store = store

    async def knowledge(self, tenant_id: str, bot_profile_id: str) -> Sequence[Knowledge]:
        """One entry per embedding model that the bot's sources were prepared with."""
        mine = indexed_sources.c
        mandatory = (mine.authority == MANDATORY).is_(true())
        binding = func.array_agg(mine.source_id).filter(mandatory).label("binding")
        query = (
            select(collections, mine.language, binding)
            .join(collections, collections.c.embedding_model == mine.embedding_model)
            .where(
                mine.tenant_id == tenant_id, mine.bot_profile_id == bot_profile_id, mine.is_active
            )
            .group_by(*collections.c, mine.language)
        )
        async with self._store.reading(tenant_id) as db:
            rows = (await db.execute(query)).all()
        found: dict[str, Knowledge] = {}
        for row in rows:
            before = found.get(row.name)
            languages = (before.languages if before else frozenset()) | {row.language}
            binding_ids = (before.binding if before else ()) + tuple(row.binding or ())
            found[row.name] = Knowledge(
                row.name, row.dimension, row.embedding_model, languages, binding_ids
            )
        return list(found.values())

    async def answering(
        self, tenant_id: str, source_ids: Collection[str]
    ) -> Mapping[str, IndexedSource]:
        """Of these sources, those that may answer now, and in which revision."""
        mine = indexed_sources.c
        query = select(indexed_sources).where(
            mine.tenant_id == tenant_id, mine.source_id.in_(source_ids), mine.is_active
        )
        async with self._store.reading(tenant_id) as db:
            rows = (await db.execute(query)).all()
        return {
            row.source_id: IndexedSource(
                row.revision,
                row.name,
                row.title,
                row.url,
                row.text_ref,
                row.authority,
                row.language,
            )
            for row in rows
        }

    async def hosts(self, tenant_id: str, bot_profile_id: str) -> frozenset[str]:
        """The hosts of the bot's sources, in small."""
        mine = indexed_sources.c
        host = func.lower(func.substring(mine.url, HOST))
        query = (
            select(host)
            .where(
                mine.tenant_id == tenant_id,
                mine.bot_profile_id == bot_profile_id,
                mine.is_active,
                mine.url.is_not(None),
            )
            .distinct()
            .limit(MOST_HOSTS)
        )
        async with self._store.reading(tenant_id) as db:
            return frozenset(name for name in await db.scalars(query) if name)

    async def collection_names(self) -> frozenset[str]:
        """Every vector index that the rows point to."""
        async with self._store.engine.connect() as db:
            return frozenset(await db.scalars(select(collections.c.name)))
