"""Facts about bots → rows."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chat.tables import bot_profiles, bot_versions
from shared.adapters.bulk import change_rows, insert_rows
from shared.contracts.base import Event, Recorded
from shared.contracts.chat import BotProfileCreated, BotProfileUpdated, Publication

Key = tuple[str, ...]
"""Tenant and bot."""
NO_REASON = Publication().model_dump()


class Bots:
    """The list of bots, and every version of their settings."""

    async def apply(self, db: AsyncConnection, recorded: Recorded[Event]) -> None:
        await self.apply_all(db, [recorded])

    async def apply_all(self, db: AsyncConnection, records: Sequence[Recorded[Event]]) -> None:
        """Bots that were made, then what each was changed to last."""
        made: dict[Key, dict[str, Any]] = {}
        changed: dict[Key, dict[str, Any]] = {}
        versions: list[dict[str, Any]] = []
        numbers = await _numbers(db, records)
        for recorded in records:
            match recorded.event:
                case BotProfileCreated(bot_profile_id=bot_id, settings=settings):
                    told = settings.model_dump(mode="json")
                    made[recorded.tenant_id, bot_id] = {
                        "tenant_id": recorded.tenant_id,
                        "id": bot_id,
                        "position": recorded.sequence,
                        "version": 1,
                        "created_at": recorded.at,
                        "updated_at": recorded.at,
                        **told,
                    }
                    numbers[recorded.tenant_id, bot_id] = 1
                    versions.append(_version(recorded, bot_id, 1, told))
                case BotProfileUpdated(bot_profile_id=bot_id, settings=settings, publication=why):
                    key = (recorded.tenant_id, bot_id)
                    numbers[key] = numbers.get(key, 0) + 1
                    told = settings.model_dump(mode="json")
                    now = {**told, "version": numbers[key], "updated_at": recorded.at}
                    if key in made:
                        made[key] |= now
                    else:
                        changed[key] = now
                    versions.append(_version(recorded, bot_id, numbers[key], told, why))
                case _:
                    pass
        await insert_rows(db, bot_profiles, list(made.values()))
        await change_rows(db, bot_profiles, changed)
        await insert_rows(db, bot_versions, versions)


async def _numbers(db: AsyncConnection, records: Sequence[Recorded[Event]]) -> dict[Key, int]:
    """The versions of those bots that were made before what is told here."""
    keys = set[Key]()
    made = set[Key]()
    for recorded in records:
        told = made if isinstance(recorded.event, BotProfileCreated) else keys
        told.add((recorded.tenant_id, recorded.event.aggregate_id))
    keys -= made
    if not keys:
        return {}
    mine = bot_profiles.c
    query = select(mine.tenant_id, mine.id, mine.version).where(
        tuple_(mine.tenant_id, mine.id).in_(sorted(keys))
    )
    return {(row.tenant_id, row.id): row.version for row in (await db.execute(query)).all()}


def _version(
    recorded: Recorded[Event],
    bot_id: str,
    number: int,
    settings: dict[str, Any],
    publication: Publication | None = None,
) -> dict[str, Any]:
    return {
        "tenant_id": recorded.tenant_id,
        "bot_profile_id": bot_id,
        "version": number,
        "position": recorded.sequence,
        "settings": settings,
        "at": recorded.at,
        "actor": recorded.metadata.actor,
        **(NO_REASON if publication is None else publication.model_dump()),
    }
