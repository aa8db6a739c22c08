"""Questions about bots, turns and citations, answered from rows."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import RowMapping, select

from services.chat.ports import Knowledge
from services.chat.tables import (
    bot_profiles,
    citations,
    collections,
    indexed_sources,
    messages,
    turns,
)
from shared.adapters.blobs import Blobs
from shared.adapters.read_model import ReadModelStore
from shared.contracts.base import Metadata
from shared.contracts.chat import (
    BotProfileView,
    BotProfileViews,
    BotSettings,
    Citation,
    CitationText,
    GetBotProfile,
    GetCitation,
    GetTurn,
    ListBotProfiles,
    MessageView,
    TurnView,
    Usage,
)
from shared.kernel.errors import NotFound

AROUND = 300
"""Characters shown before and behind a cited passage."""


class BotQueries:
    """Reads the model `chat_bots`."""

    def __init__(self, store: ReadModelStore) -> None:
        self._store = store

    async def get_bot_profile(self, question: GetBotProfile, meta: Metadata) -> BotProfileView:
        """Inactive ones too. Raises `NotFound`."""
        return _bot(await self._row(meta.tenant_id, question.bot_profile_id))

    async def list_bot_profiles(
        self, _question: ListBotProfiles, meta: Metadata
    ) -> BotProfileViews:
        query = (
            select(bot_profiles)
            .where(bot_profiles.c.tenant_id == meta.tenant_id)
            .order_by(bot_profiles.c.created_at.desc(), bot_profiles.c.id)
        )
        async with self._store.reading(meta.tenant_id) as db:
            rows = (await db.execute(query)).mappings().all()
        return BotProfileViews(items=tuple(_bot(row) for row in rows))

    async def settings(self, tenant_id: str, bot_profile_id: str) -> BotSettings:
        """What the bot answers with. Raises `NotFound`."""
        return BotSettings.model_validate(dict(await self._row(tenant_id, bot_profile_id)))

    async def _row(self, tenant_id: str, bot_profile_id: str) -> RowMapping:
        query = select(bot_profiles).where(
            bot_profiles.c.tenant_id == tenant_id, bot_profiles.c.id == bot_profile_id
        )
        async with self._store.reading(tenant_id) as db:
            row = (await db.execute(query)).mappings().one_or_none()
        if row is None:
            raise NotFound("Bot profile not found")
        return row


class ChatQueries:
    """Reads the model `chat_chats`, and cited text from the blobs."""

    def __init__(self, store: ReadModelStore, blobs: Blobs) -> None:
        self._store = store
        self._blobs = blobs

    async def get_turn(self, question: GetTurn, meta: Metadata) -> TurnView:
        """Raise `NotFound` if the tenant has no such turn."""
        query = select(turns).where(
            turns.c.tenant_id == meta.tenant_id, turns.c.turn_id == question.turn_id
        )
        async with self._store.reading(meta.tenant_id) as db:
            row = (await db.execute(query)).mappings().one_or_none()
            if row is None:
                raise NotFound("Turn not found")
            message = None
            if row["message_id"] is not None:
                found = await db.execute(
                    select(messages).where(
                        messages.c.tenant_id == meta.tenant_id,
                        messages.c.id == row["message_id"],
                    )
                )
                message = MessageView.model_validate(dict(found.mappings().one()))
        cited = tuple(Citation.model_validate(item) for item in row["citations"])
        return TurnView.model_validate(
            dict(row)
            | {
                "message": message,
                "citations": cited,
                "sources": tuple(citation.hit for citation in cited),
                "usage": None if row["usage"] is None else Usage.model_validate(row["usage"]),
            }
        )

    async def history(
        self, tenant_id: str, chat_id: str, turn_id: str, limit: int
    ) -> list[tuple[str, str]]:
        """Role and text of the last `limit` messages of other turns, oldest first.

        Refusals and the questions they answered are left out: they would teach the model to
        refuse.
        """
        refused = (
            select(messages.c.turn_id)
            .where(
                messages.c.tenant_id == tenant_id,
                messages.c.chat_id == chat_id,
                messages.c.refusal,
            )
            .scalar_subquery()
        )
        query = (
            select(messages.c.role, messages.c.content)
            .where(
                messages.c.tenant_id == tenant_id,
                messages.c.chat_id == chat_id,
                messages.c.turn_id != turn_id,
                messages.c.turn_id.not_in(refused),
            )
            .order_by(messages.c.sequence.desc())
            .limit(limit)
        )
        async with self._store.reading(tenant_id) as db:
            rows = (await db.execute(query)).all()
        return [(row.role, row.content) for row in reversed(rows)]

    async def get_citation(self, question: GetCitation, meta: Metadata) -> CitationText:
        """The passage as it stood in its revision. Raises `NotFound` or `Unavailable`."""
        query = select(citations.c.citation).where(
            citations.c.tenant_id == meta.tenant_id, citations.c.id == question.citation_id
        )
        async with self._store.reading(meta.tenant_id) as db:
            found = await db.scalar(query)
        if found is None:
            raise NotFound("Citation not found")
        citation = Citation.model_validate(found)
        text = (await self._blobs.get(meta.tenant_id, citation.text_ref)).decode()
        return CitationText(
            citation=citation,
            text=text[citation.start : citation.end],
            before=text[max(0, citation.start - AROUND) : citation.start],
            after=text[citation.end : citation.end + AROUND],
        )


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
        query = (
            select(collections, mine.language)
            .join(collections, collections.c.embedding_model == mine.embedding_model)
            .where(
                mine.tenant_id == tenant_id, mine.bot_profile_id == bot_profile_id, mine.is_active
            )
            .distinct()
        )
        async with self._store.reading(tenant_id) as db:
            rows = (await db.execute(query)).all()
        found: dict[str, Knowledge] = {}
        for row in rows:
            before = found.get(row.name)
            languages = (before.languages if before else frozenset()) | {row.language}
            found[row.name] = Knowledge(row.name, row.dimension, row.embedding_model, languages)
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

    async def collection_names(self) -> frozenset[str]:
        """Every vector index that the rows point to."""
        async with self._store.engine.connect() as db:
            return frozenset(await db.scalars(select(collections.c.name)))


def _bot(row: RowMapping) -> BotProfileView:
    return BotProfileView.model_validate(
        dict(row) | {"has_credentials": row["credentials_ref"] is not None}
    )
