"""Questions about endpoints."""

from collections.abc import Sequence

from sqlalchemy import RowMapping, bindparam, func, select

from services.webhooks.tables import endpoints
from shared.adapters.memo import Memo
from shared.adapters.pages import cut, page_of, read_page
from shared.adapters.read_model import ReadModelStore
from shared.contracts.base import Metadata
from shared.contracts.webhooks import GetWebhook, ListWebhooks, WebhookView, WebhookViews
from shared.kernel.errors import NotFound

ROW_BYTES = 4_000
"""Of an endpoint as JSON, about: its URL has 2048 characters at most, its description 500."""
_ACTIVE = (
    select(endpoints.c.id, endpoints.c.events, endpoints.c.position)
    .where(endpoints.c.tenant_id == bindparam("of_tenant"), endpoints.c.is_active)
    .order_by(endpoints.c.position)
)


class EndpointQueries:
    """Reads the model `webhooks_endpoints`."""

    def __init__(self, store: ReadModelStore) -> None:
        self._store = store
        self.memo = Memo(store)

    async def get_webhook(self, question: GetWebhook, meta: Metadata) -> WebhookView:
        """Raises `NotFound`."""
        query = select(endpoints).where(
            endpoints.c.tenant_id == meta.tenant_id, endpoints.c.id == question.webhook_id
        )
        async with self._store.reading(meta.tenant_id) as db:
            row = (await db.execute(query)).mappings().one_or_none()
        if row is None:
            raise NotFound("Webhook not found")
        return _view(row)

    async def list_webhooks(self, question: ListWebhooks, meta: Metadata) -> WebhookViews:
        query = select(endpoints).where(endpoints.c.tenant_id == meta.tenant_id)
        page = page_of(
            query,
            (endpoints.c.position, endpoints.c.id),
            after=question.after,
            limit=question.limit,
            newest_first=True,
            size=func.octet_length(endpoints.c.url) + ROW_BYTES,
        )
        async with self._store.reading(meta.tenant_id) as db:
            rows, total = await read_page(db, page, query, question)
        items, following = cut(rows, [_view(row) for row in rows])
        return WebhookViews(items=items, following=following, total=total)

    async def subscribed(self, tenant_id: str, event_type: str, position: int) -> Sequence[str]:
        """The active endpoints that get an event of this type and position in the log."""

        async def read() -> list[tuple[str, Sequence[str], int]]:
            async with self._store.reading(tenant_id) as db:
                rows = await db.execute(_ACTIVE, {"of_tenant": tenant_id})
                return [(row.id, row.events, row.position) for row in rows]

        active = await self.memo.of(tenant_id, "active", read)
        return [one for one, events, at in active if event_type in events and at < position]


def _view(row: RowMapping) -> WebhookView:
    return WebhookView.model_validate(dict(row))
