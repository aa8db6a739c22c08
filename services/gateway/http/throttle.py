"""Wrong passwords cost time, and nobody far away can spend an owner's time for it.

Three counts, and a success takes its own attempt back from each: one account from one address; one
address, whatever the account; one account from everywhere. Whoever has logged in to the account
from that address before is held to the first alone. So only somebody behind the very same address
can be in the owner's way, for a minute at most after the last guess, and not from anywhere else.
"""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from services.gateway.ports import Counters
from shared.kernel.errors import QuotaExceeded

MINUTE, HOUR = 60, 3600


@dataclass(frozen=True, slots=True)
class LoginLimits:
    """0 is no limit."""

    per_account_and_address_minute: int
    per_address_minute: int
    per_account_hour: int
    signups_per_address_hour: int


class LoginThrottle:
    """Counts in all gateways together."""

    def __init__(self, counters: Counters, limits: LoginLimits) -> None:
        self._counters = counters
        self._limits = limits

    async def attempt(
        self, account: str, address: str, at_home: Callable[[], Awaitable[bool]]
    ) -> "Attempt":
        """Begin an attempt. Raises `QuotaExceeded`; `at_home` is asked only in doubt."""
        limits, pair = self._limits, f"{account} {address}"
        attempt = Attempt(self._counters)
        await attempt.count("pair", pair, limits.per_account_and_address_minute, MINUTE)
        over = await attempt.over("address", address, limits.per_address_minute, MINUTE)
        over = over or await attempt.over("account", account, limits.per_account_hour, HOUR)
        if over and not await at_home():
            raise _too_many(over)
        return attempt

    async def signup(self, address: str) -> None:
        """Raise `QuotaExceeded` when too many tenants came from this address."""
        limit = self._limits.signups_per_address_hour
        await Attempt(self._counters).count("signup", address, limit, HOUR)


class Attempt:
    """What one attempt was counted as."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._counted: list[tuple[str, int]] = []

    async def over(self, kind: str, subject: str, limit: int, window: int) -> int:
        """Count it; returns 0, or the seconds to wait if that is too often."""
        if limit == 0:
            return 0
        name = f"login.{kind}.{hashlib.sha256(subject.encode()).hexdigest()[:32]}"
        count, left = await self._counters.add(name, 1, window)
        self._counted.append((name, window))
        return left if count > limit else 0

    async def count(self, kind: str, subject: str, limit: int, window: int) -> None:
        """Count it. Raises `QuotaExceeded` if that is too often."""
        if wait := await self.over(kind, subject, limit, window):
            raise _too_many(wait)

    async def succeeded(self) -> None:
        """It was no attempt to guess: it does not count."""
        for name, window in self._counted:
            await self._counters.add(name, -1, window)


def _too_many(wait: int) -> QuotaExceeded:
    return QuotaExceeded("Too many attempts; try again later", retry_after=wait)
