"""Facts about bots, their indexes and shadows → rows."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Integer, delete, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest.tables import bots, revisions, shadows, sources
from shared.adapters.bulk import bring_in, many, parameter
from shared.contracts.base import Event, Recorded
from shared.contracts.chat import BotProfileCreated, BotProfileUpdated
from shared.contracts.chat_index import (
    IndexSettings,
    IndexSwitched,
    ReindexCancelled,
    ReindexFailed,
    ReindexStarted,
)
from shared.contracts.ingest_shadow import ShadowPrepared

DEFAULTS = IndexSettings().model_dump()
NOTHING = {"building": None, "building_settings": None}


async def apply_settings(db: AsyncConnection, records: Sequence[Recorded[Event]]) -> None:
    """What each bot was set to last."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for recorded in records:
        if isinstance(event := recorded.event, BotProfileCreated | BotProfileUpdated):
            rows[recorded.tenant_id, event.bot_profile_id] = {
                "tenant_id": recorded.tenant_id,
                "bot_profile_id": event.bot_profile_id,
                "model": event.settings.model,
                "credentials_ref": event.settings.credentials_ref,
                "generation": 0,
                "settings": DEFAULTS,
            }
    if not rows:
        return
    statement = many(bots, tuple(next(iter(rows.values()))))
    given = statement.excluded
    upsert = statement.on_conflict_do_update(
        index_elements=["tenant_id", "bot_profile_id"],
        set_={"model": given.model, "credentials_ref": given.credentials_ref},
    )
    await bring_in(db, upsert, {parameter(bots): list(rows.values())})


async def apply(db: AsyncConnection, recorded: Recorded[Event]) -> None:
    """All but settings."""
    match recorded.event:
        case ReindexStarted(bot_profile_id=bot_id, generation=generation, settings=settings):
            building = {"building": generation, "building_settings": settings.model_dump()}
            await _bot(db, recorded, bot_id, **building)
        case ReindexFailed(bot_profile_id=bot_id):
            # What is left to do of it is not done: it would be paid for nothing.
            await _bot(db, recorded, bot_id, **NOTHING)
        case ReindexCancelled(bot_profile_id=bot_id, generation=generation):
            await _bot(db, recorded, bot_id, **NOTHING)
            await _forget(db, recorded, bot_id, below=generation + 1)
        case IndexSwitched(bot_profile_id=bot_id, generation=generation, settings=settings):
            now = {"generation": generation, "settings": settings.model_dump(), **NOTHING}
            await _bot(db, recorded, bot_id, **now)
            await _show(db, recorded, bot_id, generation)
            await _forget(db, recorded, bot_id, below=generation + 1)
        case ShadowPrepared() as event:
            await _shadow(db, recorded, event)
        case _:
            pass


async def _bot(db: AsyncConnection, recorded: Recorded[Event], bot_id: str, **values: Any) -> None:
    row = {
        "tenant_id": recorded.tenant_id,
        "bot_profile_id": bot_id,
        "model": "",
        "generation": 0,
        "settings": DEFAULTS,
        **values,
    }
    await db.execute(
        insert(bots)
        .values(row)
        .on_conflict_do_update(index_elements=["tenant_id", "bot_profile_id"], set_=values)
    )


async def _shadow(db: AsyncConnection, recorded: Recorded[Event], event: ShadowPrepared) -> None:
    """One for the generation that answers is shown at once: its source came too late for it."""
    row = {
        "tenant_id": recorded.tenant_id,
        "source_id": event.source_id,
        "generation": event.generation,
        "bot_profile_id": event.bot_profile_id,
        "revision": event.revision,
        "prepared": event.prepared.model_dump(mode="json"),
    }
    given = {"revision": row["revision"], "prepared": row["prepared"]}
    await db.execute(
        insert(shadows)
        .values(row)
        .on_conflict_do_update(index_elements=["tenant_id", "source_id", "generation"], set_=given)
    )
    mine = bots.c.tenant_id == recorded.tenant_id, bots.c.bot_profile_id == event.bot_profile_id
    answering = await db.scalar(bots.select().with_only_columns(bots.c.generation).where(*mine))
    if answering == event.generation:
        await _show(db, recorded, event.bot_profile_id, event.generation)
        await _forget(db, recorded, event.bot_profile_id, below=event.generation + 1)


async def _show(
    db: AsyncConnection, recorded: Recorded[Event], bot_id: str, generation: int
) -> None:
    """Sources and their revisions are shown with the chunks that answer."""
    its = (
        shadows.c.tenant_id == recorded.tenant_id,
        shadows.c.bot_profile_id == bot_id,
        shadows.c.generation == generation,
    )
    await db.execute(
        update(sources)
        .where(
            *its,
            sources.c.tenant_id == shadows.c.tenant_id,
            sources.c.id == shadows.c.source_id,
            sources.c.revision == shadows.c.revision,
        )
        .values(chunk_count=shadows.c.prepared["chunk_count"].astext.cast(Integer))
    )
    await db.execute(
        update(revisions)
        .where(
            *its,
            revisions.c.tenant_id == shadows.c.tenant_id,
            revisions.c.source_id == shadows.c.source_id,
            revisions.c.revision == shadows.c.revision,
        )
        .values(prepared=shadows.c.prepared)
    )


async def _forget(db: AsyncConnection, recorded: Recorded[Event], bot_id: str, below: int) -> None:
    await db.execute(
        delete(shadows).where(
            shadows.c.tenant_id == recorded.tenant_id,
            shadows.c.bot_profile_id == bot_id,
            shadows.c.generation < below,
        )
    )
