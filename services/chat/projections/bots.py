"""Facts about bots → rows."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.chat.tables import bot_profiles
from shared.adapters.bulk import change_rows, insert_rows
from shared.contracts.base import Event, Recorded
from shared.contracts.chat import BotProfileCreated, BotProfileUpdated


class Bots:
    """The list of bots."""

    async def apply(self, db: AsyncConnection, recorded: Recorded[Event]) -> None:
        await self.apply_all(db, [recorded])

    async def apply_all(self, db: AsyncConnection, records: Sequence[Recorded[Event]]) -> None:
        """Bots that were made, then what each was changed to last."""
        made: list[dict[str, Any]] = []
        changed: dict[tuple[str, ...], dict[str, Any]] = {}
        for recorded in records:
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
                    made.append(row)
                case BotProfileUpdated(bot_profile_id=bot_id, settings=settings):
                    changed[recorded.tenant_id, bot_id] = {
                        **settings.model_dump(),
                        "updated_at": recorded.at,
                    }
                case _:
                    pass
        await insert_rows(db, bot_profiles, made)
        await change_rows(db, bot_profiles, changed)
