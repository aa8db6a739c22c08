"""What the gateway needs from the world, as protocols."""

from collections.abc import AsyncGenerator
from typing import Protocol

from shared.contracts.chat import Frame
from shared.contracts.gateway import Principal


class Passwords(Protocol):
    async def hash(self, password: str) -> bytes:
        """Encoded Argon2id hash. Raise `QuotaExceeded` when too many are waiting."""
        ...

    async def verify(self, encoded: bytes, password: str) -> bool:
        """Whether `password` is the one."""
        ...


class FrameSource(Protocol):
    async def ends(self, tenant_id: str, turn_id: str, number: int) -> bool:
        """Whether this frame is the terminal one, as far as it is still kept."""
        ...

    def follow(
        self, tenant_id: str, turn_id: str, after: int, idle: float, *, begun: bool = False
    ) -> AsyncGenerator[Frame | None, None]:
        """Frames behind `after` in order, without gap or repetition, until the terminal one.

        Yields None whenever nothing came for `idle` seconds. What was told before is looked for if
        the turn has `begun`.
        """
        ...


class Principals(Protocol):
    async def find(self, token_hash: str) -> Principal | None:
        """Who an active token speaks for, or None."""
        ...
