"""A provider that has enough is left in peace, by everybody who asks it with the same key."""

import hashlib
import random
from collections.abc import Sequence

import nats.errors
from nats.js.errors import APIError, KeyNotFoundError
from nats.js.kv import KeyValue
from typing_extensions import override

from services.ingest.ports import Embedder, Pauses, Throttled
from shared.kernel.clock import utc_now
from shared.kernel.errors import Unavailable

FIRST_SECONDS = 2.0
LONGEST_SECONDS = 60.0
"""Pauses after a refusal that names none: doubled each time in a row, up to the longest."""
BELIEVED_SECONDS = 3600.0
"""A provider that names a longer time is asked again after this one."""
JITTER = 0.2
"""Part of a pause by which it is stretched at most, so that not all come back at once."""


class BrokerPauses(Pauses):
    """The `Pauses` in a bucket of the broker that forgets what is an hour old."""

    def __init__(self, bucket: KeyValue) -> None:
        self._bucket = bucket

    @override
    async def left(self, account: str) -> float:
        try:
            entry = await self._bucket.get(_key(account))
        except KeyNotFoundError:
            return 0.0
        except (APIError, nats.errors.Error, TimeoutError) as error:
            raise Unavailable("the pause of a provider cannot be told") from error
        return max(0.0, float(entry.value or b"0") - utc_now().timestamp())

    @override
    async def pause(self, account: str, seconds: float) -> None:
        if await self.left(account) >= seconds:
            return
        until = utc_now().timestamp() + seconds
        try:
            await self._bucket.put(_key(account), repr(until).encode())
        except (APIError, nats.errors.Error, TimeoutError) as error:
            raise Unavailable("the pause of a provider was not kept") from error


class PacedEmbedder(Embedder):
    """The `Embedder` port in front of one that may raise `Throttled`.

    `account` names provider and key without telling the key. While it is paused nothing is asked:
    every caller gets `Throttled` with the time that is left.
    """

    def __init__(self, inner: Embedder, account: str, pauses: Pauses) -> None:
        self._inner = inner
        self._account = account
        self._pauses = pauses
        self._refusals = 0

    @property
    @override
    def model(self) -> str:
        return self._inner.model

    @property
    @override
    def dimension(self) -> int:
        return self._inner.dimension

    @override
    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        if left := await self._pauses.left(self._account):
            raise Throttled("its provider takes no more for now", _stretched(left))
        try:
            vectors = await self._inner.embed(texts)
        except Throttled as refusal:
            wait = refusal.retry_after
            if wait is None:
                wait = min(FIRST_SECONDS * 2**self._refusals, LONGEST_SECONDS)
            self._refusals += 1
            wait = min(wait, BELIEVED_SECONDS)
            await self._pauses.pause(self._account, wait)
            raise Throttled(refusal.reason, _stretched(wait)) from refusal
        self._refusals = 0
        return vectors


def _stretched(seconds: float) -> float:
    return seconds * random.uniform(1, 1 + JITTER)  # noqa: S311  jitter


def _key(account: str) -> str:
    return f"pause-{hashlib.sha256(account.encode()).hexdigest()[:32]}"
