"""A provider that has enough is left in peace, by everybody who asks it with the same key."""

import hashlib
import random
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

import nats.errors
from nats.js.errors import APIError, KeyNotFoundError
from nats.js.kv import KeyValue
from typing_extensions import override

from services.ingest.adapters import moments
from services.ingest.adapters.embedder_front import EmbedderFront
from services.ingest.ports import Embedder, Pauses
from shared.kernel.clock import utc_now
from shared.kernel.errors import Throttled, Unavailable

FIRST_SECONDS = 2.0
LONGEST_SECONDS = 60.0
"""Pauses after a refusal that names none: doubled each time in a row, up to the longest."""
BELIEVED_SECONDS = 3600.0
"""A provider that names a longer time is asked again after this one."""
JITTER = 0.2
"""Part of a pause by which it is stretched at most, so that not all come back at once."""


class BrokerPauses(Pauses):
    """The `Pauses` in a bucket of the broker that forgets what is an hour old."""

    def __init__(self, bucket: KeyValue, now: Callable[[], datetime] = utc_now) -> None:
        self._bucket = bucket
        self._now = now

    @override
    async def left(self, account: str) -> float:
        try:
            entry = await self._bucket.get(_key(account))
        except KeyNotFoundError:
            return 0.0
        except (APIError, nats.errors.Error, TimeoutError) as error:
            raise Unavailable("the pause of a provider cannot be told") from error
        now = self._now().timestamp()
        return max(0.0, moments.read(entry.value, now) - now)

    @override
    async def pause(self, account: str, seconds: float) -> None:
        if await self.left(account) >= seconds:
            return
        now = self._now().timestamp()
        try:
            await self._bucket.put(_key(account), moments.told(now + seconds, now))
        except (APIError, nats.errors.Error, TimeoutError) as error:
            raise Unavailable("the pause of a provider was not kept") from error


class Pacing:
    """Keeps count of refusals by account, which names provider and key without telling the key."""

    def __init__(self, pauses: Pauses) -> None:
        self._pauses = pauses
        self._refusals: dict[str, int] = {}

    def before(self, inner: Embedder, account: str) -> Embedder:
        """The embedder that asks nothing while the account is paused."""
        return EmbedderFront(inner, partial(self.embed, inner, account))

    async def embed(self, inner: Embedder, account: str, texts: Sequence[str]) -> list[bytes]:
        """Raise `Throttled` with the time that is left while the account is paused."""
        if left := await self._pauses.left(account):
            raise Throttled("the provider takes no more for now", retry_after=_stretched(left))
        try:
            vectors = await inner.embed(texts)
        except Throttled as refusal:
            wait = await self._pause(account, refusal.retry_after)
            raise Throttled(str(refusal), retry_after=_stretched(wait)) from refusal
        self._refusals.pop(account, None)
        return vectors

    async def _pause(self, account: str, named: float | None) -> float:
        in_a_row = self._refusals.get(account, 0)
        self._refusals[account] = in_a_row + 1
        wait = min(FIRST_SECONDS * 2**in_a_row, LONGEST_SECONDS) if named is None else named
        wait = min(wait, BELIEVED_SECONDS)
        await self._pauses.pause(account, wait)
        return wait


def _stretched(seconds: float) -> float:
    return seconds * random.uniform(1, 1 + JITTER)  # noqa: S311  jitter


def _key(account: str) -> str:
    return f"paused-{hashlib.sha256(account.encode()).hexdigest()[:32]}"
