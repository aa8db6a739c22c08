"""Argon2id on threads of its own, so that logins cannot starve the gateway.

Parameters are OWASP's minimum (m=19456 KiB, t=2, p=1).
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from shared.kernel.errors import QuotaExceeded

R = TypeVar("R")

THREADS = 2
QUEUE = 16


class Argon2Passwords:
    """Hashes and verifies, a bounded number at a time."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
        self._nobodys = self._hasher.hash("the password of no account")
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="argon2")
        self._waiting = 0

    async def hash(self, password: str) -> bytes:
        """The encoded hash. Raises `QuotaExceeded` when too many are waiting."""
        return (await self._run(self._hasher.hash, password)).encode()

    async def verify(self, encoded: bytes | None, password: str) -> bool:
        """Whether `password` is the one. False, after the same time, if there is no hash.

        Raises `QuotaExceeded` when too many are waiting.
        """
        against = self._nobodys if encoded is None else encoded.decode()
        try:
            await self._run(self._hasher.verify, against, password)
        except (VerificationError, InvalidHashError):
            return False
        return encoded is not None

    def needs_rehash(self, encoded: bytes) -> bool:
        """Whether it was made with weaker parameters than are in use."""
        return bool(self._hasher.check_needs_rehash(encoded.decode()))

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _run(self, function: Callable[..., R], *args: str) -> R:
        if self._waiting >= QUEUE:
            raise QuotaExceeded("too many logins at a time; try again in a moment")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, function, *args)
        finally:
            self._waiting -= 1
