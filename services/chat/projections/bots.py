"""Facts about bots → rows."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chat.tables import bot_profiles, bot_versions
from shared.adapters.bulk import change_rows, insert_rows
from shared.contracts.base import Event, Recorded
from shared.contracts.chat import BotProfileCreated, BotProfileUpdated, BotSettings, Publication

Key = tuple[str, ...]
"""Tenant and bot."""


class Bots:
    """The list of bots, and every version of their settings."""

    async def apply(self, db: AsyncConnection, recorded: Recorded[Event]) -> None:
        await self.apply_all(db, [recorded])

    async def apply_all(self, db: AsyncConnection, records: Sequence[Recorded[Event]]) -> None:
        """Bots that were made, then what each was changed to last."""
        made: list[dict[str, Any]] = []
        changed: dict[Key, dict[str, Any]] = {}
        versions: list[dict[str, Any]] = []
        numbers = await _numbers(db, records)
        for recorded in records:
            match recorded.event:
                case BotProfileCreated(bot_profile_id=bot_id, settings=settings):
                    row = {
                        "tenant_id": recorded.tenant_id,
                        "id": bot_id,
                        "position": recorded.sequence,
                        "version": 1,
                        "created_at": recorded.at,
                        "updated_at": recorded.at,
                        **settings.model_dump(),
                    }
                    made.append(row)
                    numbers[recorded.tenant_id, bot_id] = 1
                    versions.append(_version(recorded, bot_id, 1, settings))
                case BotProfileUpdated(bot_profile_id=bot_id, settings=settings, publication=told):
                    key = (recorded.tenant_id, bot_id)
                    numbers[key] = numbers.get(key, 0) + 1
                    changed[key] = {
                        **settings.model_dump(),
                        "version": numbers[key],
                        "updated_at": recorded.at,
                    }
                    versions.append(_version(recorded, bot_id, numbers[key], settings, told))
                case _:
                    pass
        await insert_rows(db, bot_profiles, made)
        await change_rows(db, bot_profiles, changed)
        await insert_rows(db, bot_versions, versions)


async def _numbers(db: AsyncConnection, records: Sequence[Recorded[Event]]) -> dict[Key, int]:
    """The versions that bots have so far of which it is told here."""
    keys = {
        (recorded.tenant_id, recorded.event.bot_profile_id)
        for recorded in records
        if isinstance(recorded.event, BotProfileUpdated)
    }
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
    settings: BotSettings,
    publication: Publication | None = None,
) -> dict[str, Any]:
    return {
        "tenant_id": recorded.tenant_id,
        "bot_profile_id": bot_id,
        "version": number,
        "position": recorded.sequence,
        "settings": settings.model_dump(mode="json"),
        "at": recorded.at,
        "actor": recorded.metadata.actor,
        **(publication or Publication()).model_dump(),
    }
