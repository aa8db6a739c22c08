"""How much the visitors of web pages may ask: per key, per visitor and per address.

An `Origin` can be forged outside of browsers, so that these are what really limits a public key.
"""

import hashlib
from collections.abc import Iterator

from services.gateway.ports import Counters, Principal
from shared.contracts.gateway import WidgetQuotas
from shared.kernel.errors import QuotaExceeded

HOUR, DAY = 3600, 86_400


class VisitorQuotas:
    """Counts in all gateways together."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters

    async def question(self, principal: Principal, address: str) -> None:
        """Count a question. Raises `QuotaExceeded`. Only visitors are counted."""
        if principal.quotas is None or principal.key_id is None:
            return
        own = f"widget.{principal.tenant_id}.{principal.key_id}"
        for kind, subject, limit, window in _of(principal.quotas, principal.id, address):
            await self._take(f"{own}.{kind}", subject, limit, window)

    async def session(
        self, tenant_id: str, key_id: str, quotas: WidgetQuotas, address: str
    ) -> None:
        """Count a session that is opened. Raises `QuotaExceeded`."""
        name = f"widget.{tenant_id}.{key_id}.session"
        await self._take(name, address, quotas.sessions_per_address_hour, HOUR)

    async def _take(self, name: str, subject: str, limit: int | None, window: int) -> None:
        if limit is None:
            return
        hashed = hashlib.sha256(subject.encode()).hexdigest()[:32]
        count, left = await self._counters.add(f"{name}.{hashed}", 1, window)
        if count > limit:
            raise QuotaExceeded("Too many questions; try again later", retry_after=left)


def _of(
    quotas: WidgetQuotas, visitor_id: str, address: str
) -> Iterator[tuple[str, str, int | None, int]]:
    yield "visitor", visitor_id, quotas.questions_per_visitor_hour, HOUR
    yield "address", address, quotas.questions_per_address_hour, HOUR
    yield "day", "", quotas.questions_per_day, DAY
