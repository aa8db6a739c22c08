"""One pace per site for all replicas: a bucket of the broker tells when it is free again."""

import hashlib
from collections.abc import Callable
from datetime import datetime

import nats.errors
from nats.js.errors import APIError, KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue
from typing_extensions import override

from services.ingest.adapters import moments
from services.ingest.ports import HostPace
from shared.kernel.clock import utc_now
from shared.kernel.errors import Unavailable

RACES = 20
"""Others that may be quicker before this one gives up for now."""


class BrokerPace(HostPace):
    """The `HostPace` over a bucket whose entries are changed only from the state that was read."""

    def __init__(self, bucket: KeyValue, now: Callable[[], datetime] = utc_now) -> None:
        self._bucket = bucket
        self._now = now

    @override
    async def reserve(self, site: str, delay: float, patience: float) -> float:
        def after(now: float, free: float) -> float | None:
            wait = max(0.0, free - now)
            return None if wait > patience else now + wait + delay

        return await self._move(site, after)

    @override
    async def hold(self, site: str, seconds: float) -> None:
        await self._move(site, lambda now, free: max(free, now + seconds))

    async def _move(self, site: str, after: Callable[[float, float], float | None]) -> float:
        """Have the site free again when `after` says, of the time and of when it was to be free;
        None leaves it. Return how long it was not free.
        """
        key = f"site-{hashlib.sha256(site.encode()).hexdigest()[:32]}"
        try:
            for _ in range(RACES):
                now = self._now().timestamp()
                kept, revision = await self._read(key)
                free = moments.read(kept, now)
                at = after(now, free)
                if at is not None:
                    try:
                        await self._bucket.update(key, moments.told(at, now), revision)
                    except KeyWrongLastSequenceError:
                        continue
                return max(0.0, free - now)
        except (APIError, nats.errors.Error, TimeoutError) as error:
            raise Unavailable("the pace of a site cannot be told") from error
        raise Unavailable("too many want to ask one site")

    async def _read(self, key: str) -> tuple[bytes | None, int]:
        """When the site is free, as it is kept, and the revision that says so."""
        try:
            entry = await self._bucket.get(key)
        except KeyNotFoundError as error:
            last = error.entry.revision if error.entry is not None else 0
            return None, last or 0
        return entry.value, entry.revision or 0
