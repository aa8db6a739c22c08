"""Who a token speaks for: from memory, or the database once; never longer than it is true."""

import logging
from collections.abc import Awaitable, Callable

import orjson
from cachetools import TTLCache
from nats.aio.client import Client
from nats.aio.msg import Msg

from shared.contracts.gateway import ApiTokenRevoked, Principal

log = logging.getLogger(__name__)

SECONDS = 10.0
"""How long an entry lives at most: the bound on a revocation that no event told us of."""
ENTRIES = 50_000

Lookup = Callable[[str], Awaitable[Principal | None]]


class CachedPrincipals:
    """Answers without the database for tokens seen lately; a revocation's event evicts at once."""

    def __init__(self, client: Client, lookup: Lookup) -> None:
        self._client = client
        self._lookup = lookup
        self._known: TTLCache[str, Principal] = TTLCache(ENTRIES, SECONDS)
        self._evicted = 0

    async def start(self) -> None:
        """Follow revocations. The log republishes to `live.` only what it has stored."""
        subject = f"live.*.{ApiTokenRevoked.aggregate}.*.{ApiTokenRevoked.name}"
        await self._client.subscribe(subject, cb=self._on_revoked)

    async def find(self, token_hash: str) -> Principal | None:
        """The principal of an active token. Without a broker nothing is answered from memory."""
        if self._client.is_connected and (known := self._known.get(token_hash)) is not None:
            return known
        before = self._evicted
        found = await self._lookup(token_hash)
        if found is not None and before == self._evicted:
            self._known[token_hash] = found
        return found

    async def _on_revoked(self, message: Msg) -> None:
        self._evicted += 1
        self._known.pop(str(orjson.loads(message.data)["token_hash"]), None)
