"""One pace per site for all replicas: a bucket of the broker tells when it is free again."""

import hashlib
from collections.abc import Callable

import nats.errors
from nats.js.errors import APIError, KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue
from typing_extensions import override

from services.ingest.ports import HostPace
from shared.kernel.clock import utc_now
from shared.kernel.errors import Unavailable

RACES = 20
"""Others that may be quicker before this one gives up for now."""


class BrokerPace(HostPace):
    """The `HostPace` over a bucket whose entries are changed only from the state that was read."""

    def __init__(self, bucket: KeyValue) -> None:
        self._bucket = bucket

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
        key = hashlib.sha256(site.encode()).hexdigest()[:32]
        try:
            for _ in range(RACES):
                now = utc_now().timestamp()
                free, revision = await self._read(key)
                at = after(now, free)
                if at is not None:
                    try:
                        await self._bucket.update(key, repr(at).encode(), revision)
                    except KeyWrongLastSequenceError:
                        continue
                return max(0.0, free - now)
        except (APIError, nats.errors.Error, TimeoutError) as error:
            raise Unavailable("the pace of a site cannot be told") from error
        raise Unavailable("too many want to ask one site")

    async def _read(self, key: str) -> tuple[float, int]:
        """When the site is free, in seconds since 1970, and the revision that says so."""
        try:
            entry = await self._bucket.get(key)
        except KeyNotFoundError as error:
            last = error.entry.revision if error.entry is not None else 0
            return 0.0, last or 0
        return float(entry.value or b"0"), entry.revision or 0
