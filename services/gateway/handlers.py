"""What must hold, or have happened, before a command of the gateway is decided."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from services.gateway.domain.directory import Directory
from shared.contracts.base import Metadata
from shared.contracts.gateway import EraseUser
from shared.contracts.gateway_erasure import RequestErasure
from shared.kernel.errors import NotFound

Current = Callable[[str, str, str], Awaitable[Any]]


class Keys(Protocol):
    """Of the vault."""

    async def destroy_key(self, tenant_id: str, subject: str) -> None: ...


class CheckErasure:
    """Refuses to erase a user that is not there, and a tenant for another one."""

    def __init__(self, current: Current) -> None:
        self._current = current

    async def __call__(self, command: Any, meta: Metadata) -> None:
        """Raise `NotFound`."""
        if not isinstance(command, RequestErasure):
            return
        if command.kind == "tenant" and command.subject_id != meta.tenant_id:
            raise NotFound("Tenant not found")
        if command.kind == "user":
            directory = await self._current("directory", meta.tenant_id, meta.tenant_id)
            assert isinstance(directory, Directory)  # noqa: S101  the state of this aggregate
            if command.subject_id not in directory.people:
                raise NotFound("User not found")


class DestroyKeyFirst:
    """Before a user's erasure is a fact, nothing of the user can be read any more."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    async def __call__(self, command: Any, meta: Metadata) -> None:
        if isinstance(command, EraseUser):
            await self._keys.destroy_key(meta.tenant_id, f"user/{command.user_id}")
