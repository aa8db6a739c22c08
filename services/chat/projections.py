"""Facts about bots and chats → rows."""

from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chat.ports import Point, Scope, Terms, VectorIndexes
from services.chat.tables import (
    bot_profiles,
    chats,
    citations,
    collections,
    indexed_sources,
    messages,
    turns,
)
from shared.adapters.blobs import Blobs
from shared.adapters.chunk_batch import PreparedChunk, read_batch
from shared.contracts.base import Event, Recorded
from shared.contracts.chat import (
    BotProfileCreated,
    BotProfileUpdated,
    BotSettings,
    IndexBuilt,
    QuestionAnswered,
    QuestionAsked,
    QuestionRefused,
    TurnFailed,
)
from shared.contracts.ingest import Prepared, SourceDeleted, SourcePrepared, SourceUpdated
from shared.kernel.ids import derived_id, new_id

TITLE_LENGTH = 100


class Bots:
    """The list of bots."""

    async def apply(self, db: AsyncConnection, recorded: Recorded[Event]) -> None:
        match recorded.event:
            case BotProfileCreated(bot_profile_id=bot_id, settings=settings):
                row = {
                    "tenant_id": recorded.tenant_id,
                    "id": bot_id,
                    "created_at": recorded.at,
                    "updated_at": recorded.at,
                    **_settings(settings),
                }
                await db.execute(insert(bot_profiles).values(row))
            case BotProfileUpdated(bot_profile_id=bot_id, settings=settings):
                await db.execute(
                    update(bot_profiles)
                    .where(
                        bot_profiles.c.tenant_id == recorded.tenant_id, bot_profiles.c.id == bot_id
                    )
                    .values(**_settings(settings), updated_at=recorded.at)
                )
            case _:
                pass


class Chats:
    """Chats, their messages, and how each turn ended."""

    async def apply(self, db: AsyncConnection, recorded: Recorded[Event]) -> None:
        match recorded.event:
            case QuestionAsked() as event:
                await self._asked(db, recorded, event)
            case QuestionAnswered() as event:
                await self._answered(db, recorded, event)
            case QuestionRefused() as event:
                await self._answered(db, recorded, event)
            case TurnFailed() as event:
                await self._close(
                    db,
                    recorded,
                    event.turn_id,
                    status="failed",
                    error=event.error,
                    detail=event.detail,
                    retryable=event.retryable,
                    error_status=event.status,
                    retry_after=event.retry_after,
                )
            case _:
                pass

    async def _asked(
        self, db: AsyncConnection, recorded: Recorded[Event], event: QuestionAsked
    ) -> None:
        if event.first:
            row = {
                "tenant_id": recorded.tenant_id,
                "id": event.chat_id,
                "bot_profile_id": event.bot_profile_id,
                "title": event.question[:TITLE_LENGTH],
                "message_count": 0,
                "total_prompt_tokens": 0,
                "total_completion_tokens": 0,
                "created_at": recorded.at,
                "updated_at": recorded.at,
            }
            await db.execute(insert(chats).values(row))
        await _message(db, recorded, event, role="user", content=event.question)
        turn = {
            "tenant_id": recorded.tenant_id,
            "turn_id": event.turn_id,
            "chat_id": event.chat_id,
            "status": "open",
            "grounded": False,
            "citations": [],
            "retryable": False,
        }
        await db.execute(insert(turns).values(turn))

    async def _answered(
        self,
        db: AsyncConnection,
        recorded: Recorded[Event],
        event: QuestionAnswered | QuestionRefused,
    ) -> None:
        refusal = isinstance(event, QuestionRefused)
        cited = () if isinstance(event, QuestionRefused) else event.citations
        await _message(
            db,
            recorded,
            event,
            role="assistant",
            content=event.answer,
            refusal=refusal,
            prompt_tokens=event.usage.prompt_tokens,
            completion_tokens=event.usage.completion_tokens,
        )
        stored = [citation.model_dump(mode="json") for citation in cited]
        await self._close(
            db,
            recorded,
            event.turn_id,
            status="refused" if refusal else "answered",
            message_id=event.message_id,
            grounded=False if isinstance(event, QuestionRefused) else event.grounded,
            citations=stored,
            usage=event.usage.model_dump(mode="json"),
        )
        if stored:
            rows = [
                {
                    "tenant_id": recorded.tenant_id,
                    "id": citation["citation_id"],
                    "citation": citation,
                }
                for citation in stored
            ]
            await db.execute(upsert(citations).on_conflict_do_nothing(), rows)

    async def _close(
        self, db: AsyncConnection, recorded: Recorded[Event], turn_id: str, **values: Any
    ) -> None:
        mine = (turns.c.tenant_id == recorded.tenant_id, turns.c.turn_id == turn_id)
        await db.execute(update(turns).where(*mine).values(**values))


class Index:
    """The retrieval index: points in the vector engine, and the rows that say which may answer.

    New points are flushed before the rows name their revision, and old ones are taken out when
    that is told (`IndexBuilt`): at every moment exactly one whole revision of a source answers.
    """

    def __init__(self, indexes: VectorIndexes, blobs: Blobs, terms: Terms) -> None:
        self._indexes = indexes
        self._blobs = blobs
        self._terms = terms

    async def apply(self, db: AsyncConnection, recorded: Recorded[Event]) -> None:
        match recorded.event:
            case SourcePrepared() as event:
                await self._index(db, recorded, event)
            case SourceUpdated(source_id=source_id, settings=settings):
                await _indexed(
                    db,
                    recorded.tenant_id,
                    source_id,
                    name=settings.name,
                    authority=settings.authority,
                    is_active=settings.is_active,
                )
            case SourceDeleted(source_id=source_id):
                await _indexed(db, recorded.tenant_id, source_id, is_active=False)
                await self._clean(db, recorded.tenant_id, source_id)
            case IndexBuilt(source_id=source_id, revision=revision):
                await self._clean(db, recorded.tenant_id, source_id, below_revision=revision)
            case _:
                pass

    async def _clean(
        self,
        db: AsyncConnection,
        tenant_id: str,
        source_id: str,
        below_revision: int | None = None,
    ) -> None:
        rows = await db.execute(select(collections.c.name, collections.c.dimension))
        for name, dimension in rows.all():
            index = await self._indexes.open(name, dimension)
            scope = Scope(tenant_id, source_id=source_id)
            await index.delete(scope, below_revision=below_revision)
            await index.flush()

    async def _index(
        self, db: AsyncConnection, recorded: Recorded[Event], event: SourcePrepared
    ) -> None:
        prepared = event.prepared
        index = await self._indexes.open(await self._collection(db, prepared), prepared.dimension)
        for batch in prepared.batches:
            chunks = read_batch(await self._blobs.get(recorded.tenant_id, batch.ref))
            await index.upsert([self._point(recorded.tenant_id, event, chunk) for chunk in chunks])
        await index.flush()
        row = {
            "tenant_id": recorded.tenant_id,
            "source_id": event.source_id,
            "bot_profile_id": event.bot_profile_id,
            "revision": prepared.revision,
            "points": prepared.chunk_count,
            "embedding_model": prepared.embedding_model,
            "language": prepared.language,
            "name": event.source_name,
            "title": prepared.title,
            "url": prepared.url,
            "text_ref": prepared.text_ref,
            "authority": event.authority,
            "is_active": event.is_active,
        }
        statement = upsert(indexed_sources).values(row)
        await db.execute(
            statement.on_conflict_do_update(
                index_elements=["tenant_id", "source_id"],
                set_={name: statement.excluded[name] for name in row if name not in KEY},
            )
        )

    async def _collection(self, db: AsyncConnection, prepared: Prepared) -> str:
        """The vector index of these tables: a rebuild beside them has one of its own."""
        model = prepared.embedding_model
        query = select(collections.c.name).where(collections.c.embedding_model == model)
        found = await db.scalar(query)
        if found is not None:
            return str(found)
        name = f"chunks-{new_id()}"
        row = {"embedding_model": model, "name": name, "dimension": prepared.dimension}
        await db.execute(insert(collections).values(row))
        return name

    def _point(self, tenant_id: str, event: SourcePrepared, chunk: PreparedChunk) -> Point:
        revision = event.prepared.revision
        return Point(
            id=chunk_id(event.source_id, revision, chunk.ordinal),
            tenant_id=tenant_id,
            bot_profile_id=event.bot_profile_id,
            source_id=event.source_id,
            revision=revision,
            ordinal=chunk.ordinal,
            text=chunk.text,
            start=chunk.start,
            end=chunk.end,
            heading=chunk.heading,
            dense=chunk.vector,
            sparse=self._terms.document_terms(chunk.indexed_text, event.prepared.language),
        )


KEY = ("tenant_id", "source_id")


def chunk_id(source_id: str, revision: int, ordinal: int) -> str:
    """The same chunk has the same id, however often it is indexed."""
    return derived_id("chunk", source_id, str(revision), str(ordinal))


async def _indexed(db: AsyncConnection, tenant_id: str, source_id: str, **values: Any) -> None:
    mine = (indexed_sources.c.tenant_id == tenant_id, indexed_sources.c.source_id == source_id)
    await db.execute(update(indexed_sources).where(*mine).values(**values))


async def _message(
    db: AsyncConnection,
    recorded: Recorded[Event],
    event: QuestionAsked | QuestionAnswered | QuestionRefused,
    *,
    role: str,
    content: str,
    refusal: bool = False,
    prompt_tokens: int = 0,
    completion_tokens: int = 0,
) -> None:
    row = {
        "tenant_id": recorded.tenant_id,
        "id": event.message_id,
        "chat_id": event.chat_id,
        "turn_id": event.turn_id,
        "sequence": recorded.sequence,
        "role": role,
        "content": content,
        "refusal": refusal,
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "created_at": recorded.at,
    }
    await db.execute(insert(messages).values(row))
    await db.execute(
        update(chats)
        .where(chats.c.tenant_id == recorded.tenant_id, chats.c.id == event.chat_id)
        .values(
            message_count=chats.c.message_count + 1,
            total_prompt_tokens=chats.c.total_prompt_tokens + prompt_tokens,
            total_completion_tokens=chats.c.total_completion_tokens + completion_tokens,
            updated_at=recorded.at,
        )
    )


def _settings(settings: BotSettings) -> dict[str, Any]:
    return settings.model_dump()
