"""Which chats a question may look into."""

from sqlalchemy import ColumnElement, select

from services.chat.tables import chats
from shared.contracts.chat import ChatScope


def within(
    scope: ChatScope | None, tenant_id: str, chat_id: ColumnElement[str]
) -> list[ColumnElement[bool]]:
    """Conditions that leave only what belongs to chats of `scope`; none without one."""
    if scope is None:
        return []
    own = chats.alias("own")
    return [
        select(own.c.id)
        .where(
            own.c.tenant_id == tenant_id,
            own.c.id == chat_id,
            own.c.bot_profile_id == scope.bot_profile_id,
            own.c.visitor_id.is_not_distinct_from(scope.visitor_id),
            own.c.token_id.is_not_distinct_from(scope.token_id),
        )
        .exists()
    ]
