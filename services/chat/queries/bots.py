"""Questions about bots."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from sqlalchemy import RowMapping, Select, Text, bindparam, cast, func, or_, select

from services.chat.domain.bots import Published
from services.chat.tables import bot_profiles, bot_versions
from shared.adapters.memo import Memo
from shared.adapters.pages import AFTER, LIMIT, as_dicts, bounds, counted, cut, page_of, read_page
from shared.adapters.read_model import ReadModelStore
from shared.contracts.base import Metadata
from shared.contracts.chat import (
    BotProfileView,
    BotProfileViews,
    BotSettings,
    GetBotProfile,
    ListBotProfiles,
)
from shared.contracts.chat_playground_views import (
    BotVersionView,
    BotVersionViews,
    GetBotVersion,
    ListBotVersions,
)
from shared.contracts.chat_retrieval import FindBotProfile
from shared.kernel.errors import NotFound

OTHER_BYTES = 2000
"""Of a bot as JSON: everything but its long texts."""


class BotQueries:
    """Reads the model `chat_bots`."""

    def __init__(self, store: ReadModelStore) -> None:
        self._store = store
        self.memo = Memo(store)

    async def get_bot_profile(self, question: GetBotProfile, meta: Metadata) -> BotProfileView:
        """Inactive ones too. Raises `NotFound`."""
        return _bot(await self._row(meta.tenant_id, question.bot_profile_id))

    async def find_bot_profile(self, question: FindBotProfile, meta: Metadata) -> BotProfileView:
        """Raise `NotFound` if no active bot has that id or name."""
        mine = bot_profiles.c
        query = (
            select(bot_profiles)
            .where(
                mine.tenant_id == meta.tenant_id,
                mine.is_active,
                or_(mine.id == question.bot, mine.name == question.bot),
            )
            .order_by((mine.id == question.bot).desc(), mine.position.desc())
            .limit(1)
        )
        async with self._store.reading(meta.tenant_id) as db:
            row = (await db.execute(query)).mappings().one_or_none()
        if row is None:
            raise NotFound("Bot profile not found or inactive")
        return _bot(row)

    async def list_bot_profiles(self, question: ListBotProfiles, meta: Metadata) -> BotProfileViews:
        page, number = _listing(goes_on=question.after is not None)
        mine = {"of_tenant": meta.tenant_id}
        async with self._store.reading(meta.tenant_id) as db:
            found = await db.execute(page, {**mine, **bounds(question.after, question.limit)})
            rows = as_dicts(found)
            total = await db.scalar(number, mine) if question.counted else None
        items, following = cut(rows, [_bot(row) for row in rows])
        return BotProfileViews(items=items, following=following, total=total)

    async def settings(self, tenant_id: str, bot_profile_id: str) -> Published:
        """What the bot answers with. Raises `NotFound`."""

        async def read() -> Published:
            return Published.model_validate(dict(await self._row(tenant_id, bot_profile_id)))

        return await self.memo.of(tenant_id, bot_profile_id, read)

    async def settings_of(self, tenant_id: str, bot_profile_id: str, version: int) -> BotSettings:
        """As they were in a version. Raises `NotFound`."""
        mine = bot_versions.c
        query = select(mine.settings).where(
            mine.tenant_id == tenant_id,
            mine.bot_profile_id == bot_profile_id,
            mine.version == version,
        )
        async with self._store.reading(tenant_id) as db:
            found = await db.scalar(query)
        if found is None:
            raise NotFound("Bot version not found")
        return BotSettings.model_validate(found)

    async def get_bot_version(self, question: GetBotVersion, meta: Metadata) -> BotVersionView:
        """Raise `NotFound`."""
        query = _versions(meta.tenant_id, question.bot_profile_id)
        query = query.where(bot_versions.c.version == question.version)
        async with self._store.reading(meta.tenant_id) as db:
            row = (await db.execute(query)).mappings().one_or_none()
        if row is None:
            raise NotFound("Bot version not found")
        return _version(row)

    async def list_bot_versions(self, question: ListBotVersions, meta: Metadata) -> BotVersionViews:
        query = _versions(meta.tenant_id, question.bot_profile_id)
        page = page_of(
            query,
            (bot_versions.c.position, cast(bot_versions.c.version, Text)),
            after=question.after,
            limit=question.limit,
            newest_first=True,
            size=func.octet_length(cast(bot_versions.c.settings, Text)) + OTHER_BYTES,
        )
        async with self._store.reading(meta.tenant_id) as db:
            rows, total = await read_page(db, page, query, question)
        items, following = cut(rows, [_version(row) for row in rows])
        return BotVersionViews(items=items, following=following, total=total)

    async def _row(self, tenant_id: str, bot_profile_id: str) -> RowMapping:
        query = select(bot_profiles).where(
            bot_profiles.c.tenant_id == tenant_id, bot_profiles.c.id == bot_profile_id
        )
        async with self._store.reading(tenant_id) as db:
            row = (await db.execute(query)).mappings().one_or_none()
        if row is None:
            raise NotFound("Bot profile not found")
        return row


def _versions(tenant_id: str, bot_profile_id: str) -> Select[Any]:
    mine = bot_versions.c
    return select(bot_versions, cast(mine.version, Text).label("id")).where(
        mine.tenant_id == tenant_id, mine.bot_profile_id == bot_profile_id
    )


def _version(row: RowMapping) -> BotVersionView:
    return BotVersionView.model_validate(dict(row))


@cache
def _listing(*, goes_on: bool) -> tuple[Select[Any], Select[int]]:
    """A page of bots, and how many there are; the values come with every run."""
    mine = bot_profiles.c
    query = select(bot_profiles).where(mine.tenant_id == bindparam("of_tenant", type_=Text))
    page = page_of(
        query,
        (mine.position, mine.id),
        after=AFTER if goes_on else None,
        limit=LIMIT,
        newest_first=True,
        size=func.octet_length(mine.system_prompt)
        + func.octet_length(mine.description)
        + func.coalesce(func.octet_length(mine.refusal_text), 0)
        + OTHER_BYTES,
    )
    return page, counted(query)


def _bot(row: Mapping[Any, Any]) -> BotProfileView:
    return BotProfileView.model_validate(
        dict(row) | {"has_credentials": row["credentials_ref"] is not None}
    )
