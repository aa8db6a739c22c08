"""Facts about bots → rows."""

from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chat.tables import bot_profiles
from shared.contracts.base import Event, Recorded
from shared.contracts.chat import BotProfileCreated, BotProfileUpdated


class Bots:
    """The list of bots."""

    async def apply(self, db: AsyncConnection, recorded: Recorded[Event]) -> None:
        match recorded.event:
            case BotProfileCreated(bot_profile_id=bot_id, settings=settings):
                row = {
                    "tenant_id": recorded.tenant_id,
                    "id": bot_id,
                    "position": recorded.sequence,
                    "created_at": recorded.at,
                    "updated_at": recorded.at,
                    **settings.model_dump(),
                }
                await db.execute(insert(bot_profiles).values(row))
            case BotProfileUpdated(bot_profile_id=bot_id, settings=settings):
                await db.execute(
                    update(bot_profiles)
                    .where(
                        bot_profiles.c.tenant_id == recorded.tenant_id, bot_profiles.c.id == bot_id
                    )
                    .values(**settings.model_dump(), updated_at=recorded.at)
                )
            case _:
                pass
