"""What the gateway does about what it sees."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import datetime

from services.gateway.domain.tokens import USE_TOLD_EVERY
from shared.contracts.base import Command, Done, Metadata
from shared.contracts.gateway import RecordTokenUse
from shared.kernel.clock import utc_now
from shared.kernel.errors import MiniRagError
from shared.kernel.ids import new_id

log = logging.getLogger(__name__)

FLUSH_SECONDS = 2.0

Execute = Callable[[Command, Metadata, str], Awaitable[Done]]


class TokenUses:
    """Remembers that tokens are used, and tells it now and then: no request writes for it."""

    def __init__(self, execute: Execute) -> None:
        self._execute = execute
        self._told: dict[tuple[str, str], float] = {}
        self._used: dict[tuple[str, str], datetime] = {}

    def note(self, tenant_id: str, token_id: str) -> None:
        """The token was used."""
        key = (tenant_id, token_id)
        if key not in self._told:
            self._used[key] = utc_now()

    async def run(self) -> None:
        """Tell what is due, for ever."""
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            horizon = time.monotonic() - USE_TOLD_EVERY.total_seconds()
            self._told = {key: at for key, at in self._told.items() if at > horizon}
            due, self._used = self._used, {}
            for (tenant_id, token_id), used_at in due.items():
                self._told[tenant_id, token_id] = time.monotonic()
                await self._tell(tenant_id, token_id, used_at)

    async def _tell(self, tenant_id: str, token_id: str, used_at: datetime) -> None:
        cause = new_id()
        metadata = Metadata(
            tenant_id=tenant_id, message_id=cause, correlation_id=cause, now=utc_now()
        )
        try:
            await self._execute(
                RecordTokenUse(token_id=token_id, used_at=used_at), metadata, "token-use"
            )
        except MiniRagError as error:
            log.warning("use of a token not recorded", extra={"error": str(error)})
