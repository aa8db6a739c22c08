"""The gateway's ports, in memory."""

from collections import Counter

from typing_extensions import override

from services.gateway.ports import (
    Counters,
    Principal,
    Principals,
    Replay,
    Replays,
    WidgetKey,
)
from shared.kernel.errors import TooLarge, Unavailable


class MemoryReplays(Replays):
    """Keeps what it is given, in order of revisions."""

    def __init__(self, largest: int = 1_000_000) -> None:
        self.kept: dict[str, tuple[Replay, int]] = {}
        self.away = False
        self._largest = largest
        self._revision = 0

    @override
    async def get(self, name: str) -> tuple[Replay, int] | None:
        if self.away:
            raise Unavailable("away")
        return self.kept.get(name)

    @override
    async def put(self, name: str, replay: Replay, revision: int) -> int | None:
        if self.away:
            raise Unavailable("away")
        if len(replay.body) > self._largest:
            raise TooLarge("too large")
        if revision != self.kept.get(name, (None, 0))[1]:
            return None
        self._revision += 1
        self.kept[name] = (replay, self._revision)
        return self._revision


class MemoryCounters(Counters):
    """One window that never ends."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    @override
    async def add(self, name: str, amount: int, window: int) -> tuple[int, int]:
        self.counts[name] += amount
        return self.counts[name], window


class KnownPrincipals(Principals):
    """Knows what it is given."""

    def __init__(
        self,
        tokens: dict[str, Principal] | None = None,
        sessions: dict[str, Principal] | None = None,
        keys: dict[str, WidgetKey] | None = None,
    ) -> None:
        self._tokens = tokens or {}
        self._sessions = sessions or {}
        self._keys = keys or {}

    @override
    async def of_token(self, token_hash: str) -> Principal | None:
        return self._tokens.get(token_hash)

    @override
    async def of_session(self, tenant_id: str, session_id: str) -> Principal | None:
        return self._sessions.get(session_id)

    @override
    async def of_widget_key(self, tenant_id: str, key_id: str) -> WidgetKey | None:
        return self._keys.get(key_id)
