"""How often somebody may ask: buckets that fill up again, one per address and per credential.

They live in this process: with several gateways each gives the whole limit. The response fields
are those of draft-ietf-httpapi-ratelimit-headers-10.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from cachetools import LRUCache

KEPT = 100_000
ADDRESSES = 10_000
"""Whose networks are known without looking at them again."""
WINDOW = 60
IPV6_NETWORK = 64
"""Bits of an IPv6 address that one customer is given, so that they count as one."""


@dataclass(slots=True)
class Bucket:
    left: float
    at: float


class Limit:
    """So many requests a minute, all at once or spread. 0 is no limit."""

    def __init__(
        self, name: str, per_minute: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.name = name
        self._size = per_minute
        self._clock = clock
        self._buckets: LRUCache[str, Bucket] = LRUCache(KEPT)

    def take(self, key: str) -> float:
        """Take one; returns 0, or after how many seconds there is one again."""
        if self._size == 0:
            return 0
        bucket = self._bucket(key)
        if bucket.left < 1:
            return (1 - bucket.left) * WINDOW / self._size
        bucket.left -= 1
        return 0

    def fields(self, key: str) -> dict[str, str]:
        """What a client is told about it."""
        if self._size == 0:
            return {}
        bucket = self._bucket(key)
        full = math.ceil((self._size - bucket.left) * WINDOW / self._size)
        return {
            "RateLimit-Policy": f'"{self.name}";q={self._size};w={WINDOW}',
            "RateLimit": f'"{self.name}";r={int(bucket.left)};t={full}',
        }

    def _bucket(self, key: str) -> Bucket:
        now = self._clock()
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = Bucket(float(self._size), now)
        filled = (now - bucket.at) * self._size / WINDOW
        bucket.left, bucket.at = min(float(self._size), bucket.left + filled), now
        return bucket


@lru_cache(ADDRESSES)
def network_of(address: str) -> str:
    """Whom an address stands for: itself, or the network of an IPv6 one."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    bits = 128 - IPV6_NETWORK
    return f"{IPv6Address(int(found) >> bits << bits)}/{IPV6_NETWORK}"
