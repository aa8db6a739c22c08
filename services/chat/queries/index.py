"""Questions about the retrieval index."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    FromClause,
    Label,
    Row,
    Select,
    Subquery,
    bindparam,
    func,
    literal_column,
    select,
    true,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chat.ports import Knowledge
from services.chat.tables import bot_indexes, collections, indexed_sources
from shared.adapters.memo import Memo
from shared.adapters.raw import RawQuery
from shared.adapters.read_model import ReadModelStore
from shared.contracts.chat_index import (
    BotIndexView,
    BuildingView,
    IndexSettings,
    ReindexState,
)

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
    generation: int


class IndexQueries:
    """Reads the model `chat_index`."""

    def __init__(self, store: ReadModelStore) -> None:
        self._store = store
        self._standing = RawQuery(store.engine, _standing())
        self.memo = Memo(store)

    def forget(self, tenant_id: str) -> None:
        """Look anew at what was kept of a tenant."""
        self.memo.forget(tenant_id)

    async def knowledge(self, tenant_id: str, bot_profile_id: str) -> Sequence[Knowledge]:
        """One entry per vector index and generation that the bot's sources answer from.

        A moment old, perhaps: `standing` tells what is so now.
        """

        async def read() -> Sequence[Knowledge]:
            async with self._store.reading(tenant_id) as db:
                return await self._knowledge(db, tenant_id, bot_profile_id)

        return await self.memo.of(tenant_id, ("knowledge", bot_profile_id), read)

    async def standing(
        self, tenant_id: str, bot_profile_id: str, source_ids: Collection[str]
    ) -> tuple[Mapping[str, IndexedSource], Sequence[Knowledge]]:
        """Both as they are now: which of these sources may answer, in which revision, and what the
        bot answers from. Of one moment: no switch comes in between.
        """
        asked = {"of_tenant": tenant_id, "of_bot": bot_profile_id, "these": [*source_ids]}
        async with self._store.reading(tenant_id) as db:
            (row,) = await self._standing.rows(db, asked)
        sources = {one["source_id"]: _source(one) for one in row["sources"]}
        return sources, _gathered(row["knowledge"])

    async def _knowledge(
        self, db: AsyncConnection, tenant_id: str, bot_profile_id: str
    ) -> Sequence[Knowledge]:
        whose = {"of_tenant": tenant_id, "of_bot": bot_profile_id}
        return _gathered((await db.execute(_knowledge(), whose)).mappings())

    async def answering(
        self, tenant_id: str, source_ids: Collection[str]
    ) -> Mapping[str, IndexedSource]:
        """Of these sources, those that may answer now, and in which revision."""
        async with self._store.reading(tenant_id) as db:
            return await self._answering(db, tenant_id, source_ids)

    async def _answering(
        self, db: AsyncConnection, tenant_id: str, source_ids: Collection[str]
    ) -> Mapping[str, IndexedSource]:
        these = {"of_tenant": tenant_id, "these": [*source_ids]}
        rows = (await db.execute(_answering(), these)).mappings()
        return {row["source_id"]: _source(row) for row in rows}

    async def hosts(self, tenant_id: str, bot_profile_id: str) -> frozenset[str]:
        """The hosts of the bot's sources, in small."""

        async def read() -> frozenset[str]:
            return await self._hosts(tenant_id, bot_profile_id)

        return await self.memo.of(tenant_id, ("hosts", bot_profile_id), read)

    async def _hosts(self, tenant_id: str, bot_profile_id: str) -> frozenset[str]:
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

    async def whole(self, tenant_id: str, bot_profile_id: str) -> int | None:
        """The generation that is being built, if every current source is in it."""
        row = await self._bot_index(tenant_id, bot_profile_id)
        if row is None or row.building is None:
            return None
        current, done = _progress(row.building)
        missing = (
            select(current.c.source_id)
            .where(
                current.c.tenant_id == tenant_id,
                current.c.bot_profile_id == bot_profile_id,
                current.c.answers,
                ~done,
            )
            .limit(1)
        )
        async with self._store.reading(tenant_id) as db:
            found = await db.scalar(missing)
        return row.building if found is None else None

    async def answers(self, tenant_id: str, bot_profile_id: str, generation: int) -> bool:
        """Whether the bot answers from this generation."""
        row = await self._bot_index(tenant_id, bot_profile_id)
        return row is not None and row.generation == generation

    async def bot_index(self, tenant_id: str, bot_id: str) -> BotIndexView:
        """As it stands; a bot that was never re-indexed answers from generation 0."""
        row = await self._bot_index(tenant_id, bot_id)
        mine = indexed_sources.c
        query = select(func.count(), func.coalesce(func.sum(mine.points), 0)).where(
            mine.tenant_id == tenant_id,
            mine.bot_profile_id == bot_id,
            mine.is_active,
            mine.answers,
        )
        async with self._store.reading(tenant_id) as db:
            sources, chunks = (await db.execute(query)).one()
        view = BotIndexView(
            bot_profile_id=bot_id,
            state="active",
            generation=row.generation if row else 0,
            settings=IndexSettings.model_validate(row.settings) if row else IndexSettings(),
            sources=sources,
            chunks=chunks,
            switched_at=row.switched_at if row else None,
        )
        if row is None or row.building is None:
            return view
        done, total = await self._counts(tenant_id, bot_id, row.building)
        building = BuildingView(
            generation=row.building,
            settings=IndexSettings.model_validate(row.building_settings),
            sources_done=done,
            sources_total=total,
            started_at=row.started_at,
            reason=row.reason,
            failed_source_id=row.failed_source_id,
        )
        state: ReindexState = "building" if row.reason is None else "failed"
        return view.model_copy(update={"state": state, "building": building})

    async def _bot_index(self, tenant_id: str, bot_profile_id: str) -> Row[Any] | None:
        query = select(bot_indexes).where(
            bot_indexes.c.tenant_id == tenant_id,
            bot_indexes.c.bot_profile_id == bot_profile_id,
        )
        async with self._store.reading(tenant_id) as db:
            return (await db.execute(query)).one_or_none()

    async def _counts(
        self, tenant_id: str, bot_profile_id: str, generation: int
    ) -> tuple[int, int]:
        """How many of the current sources are in a generation, and how many there are."""
        current, done = _progress(generation)
        query = select(func.count().filter(done), func.count()).where(
            current.c.tenant_id == tenant_id,
            current.c.bot_profile_id == bot_profile_id,
            current.c.answers,
        )
        async with self._store.reading(tenant_id) as db:
            found = (await db.execute(query)).one()
        return int(found[0]), int(found[1])

    async def collection_names(self) -> frozenset[str]:
        """Every vector index that the rows point to."""
        async with self._store.engine.connect() as db:
            return frozenset(await db.scalars(select(collections.c.name)))


def _source(row: Mapping[str, Any]) -> IndexedSource:
    names = (field.name for field in fields(IndexedSource))
    return IndexedSource(**{name: row[name] for name in names})


def _gathered(rows: Iterable[Mapping[str, Any]]) -> Sequence[Knowledge]:
    """Of rows for each language, one entry per vector index and generation."""
    found: dict[tuple[str, int], Knowledge] = {}
    for row in rows:
        key = (row["name"], row["generation"])
        before = found.get(key)
        languages = (before.languages if before else frozenset()) | {row["language"]}
        binding = (before.binding if before else ()) + tuple(sorted(row["binding"] or ()))
        model = row["embedding_model"]
        found[key] = Knowledge(key[0], row["dimension"], model, languages, binding, key[1])
    return list(found.values())


def _standing() -> Select[Any]:
    """Both in one row, each as a JSON array."""
    sources, knowledge = _answering().subquery("sources"), _knowledge().subquery("knowledge")
    return select(_array(sources), _array(knowledge))


def _array(rows: Subquery) -> Label[Any]:
    whole = func.json_agg(func.row_to_json(literal_column(rows.name)))
    found = select(func.coalesce(whole, literal_column("'[]'"))).select_from(rows)
    return found.scalar_subquery().label(rows.name)


@cache
def _knowledge() -> Select[Any]:
    """Made once: every question asks it."""
    mine = indexed_sources.c
    mandatory = (mine.authority == MANDATORY).is_(true())
    binding = func.array_agg(mine.source_id).filter(mandatory).label("binding")
    return (
        select(collections, mine.generation, mine.language, binding)
        .join(
            collections,
            (collections.c.embedding_model == mine.embedding_model)
            & (collections.c.dimension == mine.dimension),
        )
        .where(
            mine.tenant_id == bindparam("of_tenant"),
            mine.bot_profile_id == bindparam("of_bot"),
            mine.is_active,
            mine.answers,
        )
        .group_by(*collections.c, mine.generation, mine.language)
        .order_by(collections.c.name, mine.generation, mine.language)
    )


@cache
def _answering() -> Select[Any]:
    """Made once, as every question asks it, with one array for however many sources."""
    mine = indexed_sources.c
    these = bindparam("these", type_=ARRAY(mine.source_id.type))
    return select(indexed_sources).where(
        mine.tenant_id == bindparam("of_tenant"),
        mine.source_id == func.any(these),
        mine.is_active,
        mine.answers,
    )


def _progress(generation: int) -> tuple[FromClause, ColumnElement[bool]]:
    """Current sources, and whether one's revision is in the generation."""
    current, made = indexed_sources.alias(), indexed_sources.alias()
    done = (
        select(made.c.source_id)
        .where(
            made.c.tenant_id == current.c.tenant_id,
            made.c.source_id == current.c.source_id,
            made.c.generation == generation,
            made.c.revision == current.c.revision,
        )
        .exists()
    )
    return current, done
